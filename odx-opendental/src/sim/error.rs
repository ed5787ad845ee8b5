//! What can go wrong while building or starting a practice.

/// A practice could not be built or served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// The in-memory database refused something.
    #[error("the simulated database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// The loopback listener could not be opened.
    #[error("the loopback listener failed: {0}")]
    Listen(#[from] std::io::Error),
    /// A row could not be written as JSON.
    #[error("a row could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A setting of the builder makes no sense.
    #[error("bad setting: {0}")]
    Setting(&'static str),
}
