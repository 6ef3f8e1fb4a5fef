//! A time limit for sources of credentials.
//!
//! Owns: turning a source that hangs (STS, instance metadata) into a credentials error in time. The SDK's identity
//! cache has a time-out too, but its error isn't recognisable, and it is longer than a call may take.
//! A failure is kept for 1 s: the calls that waited for the same load would otherwise start one load each, one after
//! the other, and run into their own time-outs.
//! Never: inspects credentials, or caches them.

use crate::aws::error_class::is_source_down;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use parking_lot::Mutex;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// A source that failed is not called again for this long.
const FAILURE_CACHE_TTL: Duration = Duration::from_secs(1);

/// A source of credentials that fails as such when it takes too long.
pub(super) struct TimeoutCredentials {
    source: SharedCredentialsProvider,
    limit: Duration,
    failed: Mutex<Option<(Instant, LoadFailure)>>,
}

/// Why a load failed.
#[derive(Clone, Copy)]
enum LoadFailure {
    Down,
    Refused,
}

impl TimeoutCredentials {
    pub(super) fn new(source: SharedCredentialsProvider, limit: Duration) -> Self {
        Self { source, limit, failed: Mutex::default() }
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let failed = *self.failed.lock();
        match failed.filter(|(at, _)| at.elapsed() < FAILURE_CACHE_TTL) {
            Some((_, LoadFailure::Down)) => return Err(CredentialsError::provider_timed_out(self.limit)),
            Some((_, LoadFailure::Refused)) => {
                return Err(CredentialsError::not_loaded("the source of credentials failed a moment ago"));
            }
            None => {}
        }
        let outcome = tokio::time::timeout(self.limit, self.source.provide_credentials())
            .await
            .unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(self.limit)));
        if let Err(error) = &outcome {
            let failed = if is_source_down(error) { LoadFailure::Down } else { LoadFailure::Refused };
            *self.failed.lock() = Some((Instant::now(), failed));
        }
        outcome
    }
}

impl ProvideCredentials for TimeoutCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.source.fallback_on_interrupt()
    }
}

impl fmt::Debug for TimeoutCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutCredentials").field("limit", &self.limit).finish_non_exhaustive()
    }
}
