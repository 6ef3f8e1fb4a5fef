//! A watch on the one Lease, for a standby.
//!
//! Owns: the watch, and when to read the Lease instead if watching fails. Never: decides what to do about the Lease.

use crate::runtime::client::describe_error;
use futures::stream::BoxStream;
use futures::{StreamExt, TryFutureExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// Opening a watch is given up after this.
const WATCH_TIMEOUT: Duration = Duration::from_secs(4);

type Events = BoxStream<'static, kube::Result<WatchEvent<Lease>>>;

pub(super) struct LeaseWatch {
    api: Api<Lease>,
    name: String,
    events: Option<Events>,
}

impl LeaseWatch {
    pub(super) fn new(api: Api<Lease>, name: &str) -> Self {
        Self { api, name: name.to_owned(), events: None }
    }

    /// Closes the watch.
    pub(super) fn close_watch(&mut self) {
        self.events = None;
    }

    /// Returns the Lease as soon as it changes after `version`, `Some(None)` when it is deleted. Returns `None` if the
    /// caller is to read it: at `end`, or after `pause` if it can't be watched.
    pub(super) async fn next(
        &mut self,
        version: Option<String>,
        pause: Duration,
        end: Instant,
    ) -> Option<Option<Lease>> {
        let ask_at = end.min(Instant::now() + pause);
        if self.events.is_none() {
            self.open_watch(&version?).await;
        }
        while let Some(events) = &mut self.events {
            match timeout_at(end, events.next()).await {
                Ok(Some(Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease)))) => return Some(Some(lease)),
                Ok(Some(Ok(WatchEvent::Deleted(_)))) => return Some(None),
                Ok(Some(Ok(WatchEvent::Bookmark(_)))) => {}
                Ok(Some(Ok(WatchEvent::Error(_)) | Err(_)) | None) => self.close_watch(),
                Err(_) => return None,
            }
        }
        sleep_until(ask_at).await;
        None
    }

    async fn open_watch(&mut self, version: &str) {
        let only_this = WatchParams::default().fields(&format!("metadata.name={}", self.name)).timeout(60);
        match timeout(WATCH_TIMEOUT, self.api.watch(&only_this, version).map_ok(StreamExt::boxed)).await {
            Ok(Ok(events)) => self.events = Some(events),
            Ok(Err(error)) => {
                let error = describe_error(&error);
                tracing::debug!(lease = self.name, error, "cannot watch the lease, getting it instead");
            }
            Err(_) => tracing::debug!(lease = self.name, "no answer to a watch, getting the lease instead"),
        }
    }
}
