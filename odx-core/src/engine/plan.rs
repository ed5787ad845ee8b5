//! Says how the next pass would read, and reads nothing.

use super::Pipeline;
use crate::error::{ErrorKind, Result};
use crate::source::{Plan, PullRequest};

impl Pipeline {
    /// How the source would read the next pass: from where the feed stands, and
    /// as much as the schedule asks for. Begins nothing and stores nothing; the
    /// source may ask the practice what it permits.
    ///
    /// # Errors
    /// As [`PracticeSource::plan`](crate::source::PracticeSource::plan), and a
    /// state that cannot be read.
    pub async fn plan(&self) -> Result<Plan> {
        let id = self.source.id();
        let cursor = self.store.cursor(id).await?;
        let swept_at = self.store.last_seen(id).await?.swept_at();
        let request = PullRequest::after(cursor).with_extent(self.extent(swept_at));
        match self.source.plan(&request).await {
            // A pass would start over as well.
            Err(error) if error.kind() == ErrorKind::CursorExpired && request.cursor.is_some() => {
                let anew = PullRequest::after(None).with_extent(request.extent);
                self.source.plan(&anew).await
            }
            plan => plan,
        }
    }
}
