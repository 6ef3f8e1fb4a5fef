//! A bound on how long a source of credentials may take.
//!
//! Owns: turning a source that hangs (STS, instance metadata) into a credentials error in time. The SDK's identity
//! cache has a time-out too, but its error isn't recognisable, and it is longer than a call may take.
//! A failure is remembered for a moment: the calls that waited for the same load would otherwise start one each, one
//! after the other, and run into their own time-outs.
//! Never: looks at credentials, or caches them.

use crate::streams::classify::is_source_down;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A source that failed is not asked again within this long.
const PAUSE: Duration = Duration::from_secs(1);

/// A source of credentials that fails as such when it takes too long.
pub(super) struct Bounded {
    source: SharedCredentialsProvider,
    limit: Duration,
    failed: Mutex<Option<(Instant, Failed)>>,
}

/// What a load came to nothing for, as far as its class goes.
#[derive(Clone, Copy)]
enum Failed {
    Down,
    Refused,
}

impl Bounded {
    pub(super) fn new(source: SharedCredentialsProvider, limit: Duration) -> Self {
        Self { source, limit, failed: Mutex::default() }
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match failed.filter(|(at, _)| at.elapsed() < PAUSE) {
            Some((_, Failed::Down)) => return Err(CredentialsError::provider_timed_out(self.limit)),
            Some((_, Failed::Refused)) => {
                return Err(CredentialsError::not_loaded("the source of credentials failed a moment ago"));
            }
            None => {}
        }
        let outcome = tokio::time::timeout(self.limit, self.source.provide_credentials())
            .await
            .unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(self.limit)));
        if let Err(error) = &outcome {
            let failed = if is_source_down(error) { Failed::Down } else { Failed::Refused };
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), failed));
        }
        outcome
    }
}

impl ProvideCredentials for Bounded {
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

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("limit", &self.limit).finish_non_exhaustive()
    }
}
