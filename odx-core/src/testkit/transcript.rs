use std::sync::OnceLock;

use super::log::Log;

/// Everything that is traced in this process, at every level, from
/// [`begin`](Self::begin) on: what a reader of logs could see at worst.
#[derive(Debug)]
pub struct Transcript(Log);

impl Transcript {
    /// Listens from now on. Calling it again is harmless; where another
    /// subscriber was there first, nothing is heard.
    pub fn begin() -> &'static Self {
        static WHOLE: OnceLock<Transcript> = OnceLock::new();
        WHOLE.get_or_init(|| {
            let log = Log::default();
            drop(tracing::subscriber::set_global_default(log.clone()));
            Self(log)
        })
    }

    /// What was traced so far.
    pub fn text(&self) -> String {
        self.0.text()
    }
}
