//! A time limit for sources of credentials.
//!
//! Owns: turning a source that hangs (STS, instance metadata) into a credentials error in time. The SDK's identity
//! cache has a time-out too, but its error isn't recognisable, and it is longer than a call may take.
//! A failure is kept for 1 s: the calls that waited for the same load would otherwise start one load each, one after
//! the other, and run into their own time-outs.
//! Never: inspects credentials, or caches them.

use crate::aws::error_class::to_source_failure;
use crate::aws::failure::{ConnectionFailure, FailureDetail};
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
    failed: Mutex<Option<(Instant, SourceFailure)>>,
}

/// Why a load of credentials failed, without anything secret. It stands in place of the source's own error.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the source of credentials failed")]
pub(crate) struct SourceFailure {
    /// True for an outage, false for a refusal.
    pub(crate) down: bool,
    /// What a status may show.
    pub(crate) detail: FailureDetail,
    /// The words of STS or of the connection, for the log.
    pub(crate) original: Option<String>,
    /// Host and port of a request without an answer, for the log.
    pub(crate) host: Option<String>,
}

impl TimeoutCredentials {
    pub(super) fn new(source: SharedCredentialsProvider, limit: Duration) -> Self {
        Self { source, limit, failed: Mutex::default() }
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let recent = self.failed.lock().clone().filter(|(at, _)| at.elapsed() < FAILURE_CACHE_TTL);
        if let Some((_, failure)) = recent {
            return Err(CredentialsError::provider_error(failure));
        }
        let failure = match tokio::time::timeout(self.limit, self.source.provide_credentials()).await {
            Ok(Ok(credentials)) => return Ok(credentials),
            Ok(Err(error)) => to_source_failure(&error),
            Err(_) => {
                let detail = FailureDetail::CredentialsSource(ConnectionFailure::Timeout);
                SourceFailure { down: true, detail, original: None, host: None }
            }
        };
        *self.failed.lock() = Some((Instant::now(), failure.clone()));
        Err(CredentialsError::provider_error(failure))
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
