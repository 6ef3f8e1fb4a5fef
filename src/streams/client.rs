//! Calls to Amazon GameLift Streams, one attempt each.
//!
//! Owns: the SDK's clients (one per Region), time-outs, how long an answer may be, and what of it may be known. Never: retries (the next
//! reconcile is the retry), takes from the quota ([`super::turns`] does), prints a response or an SDK error.

mod answer;
mod bounded_body;
mod credentials;
#[cfg(test)]
mod tests;

pub(super) use self::bounded_body::OversizedBody;
use self::bounded_body::bounded_https_client;
use self::credentials::Bounded;
use super::classify::{failure, printable};
use super::identifiers::{OutputUri, Region, SessionArn, StreamGroupArn};
use super::observation::{CallFailure, FailureClass, Filter, Page, PageToken, Reading, Source};
use super::operation::{Observer, Operation};
use crate::config::Timing;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, FrameworkMetadata, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_gameliftstreams as sdk;
use aws_sdk_gameliftstreams::config::IdentityCache;
use aws_sdk_gameliftstreams::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_gameliftstreams::operation::RequestId;
use aws_smithy_runtime_api::http::Response;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// A connection that takes longer than this to come about is given up (3/8 of the call's
/// time-out, if that is less).
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
/// Calls of one identity that may be unanswered at once in one Region: as many as the default shares of all operations
/// send within a call's time-out. So a Region that answers nothing takes no place from the others.
const MAX_IN_FLIGHT: usize = 160;
/// Sessions on one page of a list: the most that AWS gives.
const PAGE: i32 = 100;
/// Regions whose clients are kept. AWS has fewer; a user can invent more.
const MAX_REGIONS: usize = 32;

/// Amazon GameLift Streams, in every Region, as one identity. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: SdkConfig,
    regions: Mutex<HashMap<Region, Place>>,
    observer: Arc<dyn Observer>,
}

/// One Region's client, and how many calls it may still begin.
#[derive(Clone)]
struct Place {
    client: sdk::Client,
    free: Arc<Semaphore>,
}

/// AWS has promised the export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportAnswer {
    /// AWS's request id, for logs and Events only.
    pub request_id: String,
}

impl Client {
    /// The operator's own identity, as the SDK's default chain finds it: environment (also
    /// `AWS_ENDPOINT_URL_GAMELIFTSTREAMS`), profile, web identity, container, instance.
    ///
    /// Never fails: missing credentials surface at the call, as [`FailureClass::Credentials`].
    pub async fn load(region: Option<&Region>, timing: &Timing, observer: Arc<dyn Observer>) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = region {
            loader = loader.region(aws_config::Region::new(region.as_str().to_owned()));
        }
        // For what the chain itself asks: STS, ECS, EKS Pod Identity, instance metadata.
        if let Some(http) = bounded_https_client() {
            loader = loader.http_client(http);
        }
        Self::new(loader.load().await, timing, observer)
    }

    /// Any identity. The configuration's retries, time-outs, identity cache and HTTP client are replaced; its credentials
    /// provider and endpoint are used in all Regions. A tenant gets a `Client` of its own.
    pub fn new(config: SdkConfig, timing: &Timing, observer: Arc<dyn Observer>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(timing.call_timeout.mul_f64(0.375)))
            .operation_attempt_timeout(timing.call_timeout)
            .operation_timeout(timing.call_timeout)
            .build();
        let source = config.credentials_provider();
        let mut config = config
            .into_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // The time-outs above are shorter than its grace period.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .identity_cache(IdentityCache::lazy().build());
        config.set_http_client(bounded_https_client());
        if let Some(source) = source {
            // A source that hangs must fail as such before the call's own time-out makes it "unanswered".
            let bounded = Bounded::new(source, timing.call_timeout.mul_f64(0.75));
            config = config.credentials_provider(SharedCredentialsProvider::new(bounded));
        }
        if let Ok(name) = FrameworkMetadata::new(env!("CARGO_PKG_NAME"), Some(env!("CARGO_PKG_VERSION"))) {
            config = config.framework_metadata(name);
        }
        let inner = Inner { config: config.build(), regions: Mutex::default(), observer };
        Self { inner: Arc::new(inner) }
    }

    /// The Region that the SDK's chain found, for objects that name none. `None` if it found none, or nonsense.
    pub fn resolved_region(&self) -> Option<Region> {
        self.inner.config.region()?.as_ref().parse().ok()
    }

    /// Reads one session (GetStreamSession). ResourceNotFoundException is an answer too: `found: None`.
    ///
    /// Cancel-safe: dropping the future abandons the read.
    pub async fn get(&self, arn: &SessionArn) -> Result<Reading, CallFailure> {
        let place = self.region(&arn.region);
        let request = place.client.get_stream_session();
        let send = request.identifier(arn.group.as_str()).stream_session_identifier(arn.session.as_str()).send();
        let begun = Instant::now();
        let outcome = self.attempt(&place, Operation::Get, send, |output| answer::session(arn, &output)).await;
        let found = match outcome {
            Ok(session) => {
                self.inner.observer.unknown_enum_values(Operation::Get, session.unknown_enum_values());
                Some(session)
            }
            Err(failure) if failure.class == FailureClass::NotFound => None,
            Err(failure) => return Err(failure),
        };
        Ok(Reading { begun, source: Source::Get, found })
    }

    /// Reads one page of a group's sessions (ListStreamSessions), a hundred at most.
    ///
    /// Cancel-safe: dropping the future abandons the read.
    pub async fn list(
        &self,
        group: &StreamGroupArn,
        filter: Filter,
        from: Option<&PageToken>,
    ) -> Result<Page, CallFailure> {
        let place = self.region(&group.region);
        let request = place.client.list_stream_sessions().identifier(group.group.as_str());
        let request = request.max_results(PAGE).set_next_token(from.map(|token| token.as_str().to_owned()));
        let send = match filter {
            Filter::Session(status) => request.set_status(status.as_str().map(Into::into)),
            Filter::Export(status) => request.set_export_files_status(status.as_str().map(Into::into)),
        }
        .send();
        let begun = Instant::now();
        let page = |output: sdk::operation::list_stream_sessions::ListStreamSessionsOutput| {
            // The SDK takes any 200 for an empty page. AWS's own carries a request id, a captive portal's doesn't.
            output.request_id().and_then(printable)?;
            let sessions: Vec<_> = output.items().iter().filter_map(|one| answer::summary(group, one)).collect();
            let unknown = sessions.iter().map(|(_, session)| session.unknown_enum_values()).sum();
            self.inner.observer.unknown_enum_values(Operation::List, unknown);
            Some(Page { begun, sessions, next: output.next_token().map(PageToken::new) })
        };
        self.attempt(&place, Operation::List, send, page).await
    }

    /// Asks AWS to export one session (ExportStreamSessionFiles). Idempotent: the same call may be made again.
    ///
    /// A call whose future is dropped may have reached AWS: the caller must count it as unanswered, exactly as
    /// [`FailureClass::Unavailable`].
    pub async fn export(&self, arn: &SessionArn, uri: &OutputUri) -> Result<ExportAnswer, CallFailure> {
        let place = self.region(&arn.region);
        let request = place.client.export_stream_session_files().identifier(arn.group.as_str());
        let send = request.stream_session_identifier(arn.session.as_str()).output_uri(uri.as_str()).send();
        let accepted = |output: sdk::operation::export_stream_session_files::ExportStreamSessionFilesOutput| {
            // The SDK takes any 200 for success. AWS's own carries a request id, a captive portal's doesn't.
            output.request_id().and_then(printable).map(|request_id| ExportAnswer { request_id })
        };
        self.attempt(&place, Operation::Export, send, accepted).await
    }

    /// One attempt, bounded and observed. `read` returns `None` for an answer that can't be AWS's.
    async fn attempt<T, U, E>(
        &self,
        place: &Place,
        operation: Operation,
        send: impl Future<Output = Result<T, SdkError<E, Response>>>,
        read: impl FnOnce(T) -> Option<U>,
    ) -> Result<U, CallFailure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let Ok(_slot) = place.free.try_acquire() else {
            return Err(bare(operation, None, FailureClass::Unreachable));
        };
        let mut attempt = Attempt::begin(operation, self.inner.observer.as_ref());
        let outcome = match send.await {
            Ok(output) => read(output).ok_or_else(|| bare(operation, Some(200), FailureClass::Unavailable)),
            Err(error) => Err(failure(operation, &error)),
        };
        // GetStreamSession's "no such session" is a proper answer, not a failed attempt.
        let class = outcome.as_ref().err().map(|failure| failure.class);
        attempt.class = class.filter(|class| operation != Operation::Get || *class != FailureClass::NotFound);
        outcome
    }

    fn region(&self, region: &Region) -> Place {
        let mut regions = self.inner.regions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = regions.get(region) {
            return place.clone();
        }
        if regions.len() >= MAX_REGIONS {
            regions.clear();
        }
        let name = sdk::config::Region::new(region.as_str().to_owned());
        let client = sdk::Client::from_conf(sdk::config::Builder::from(&self.inner.config).region(name).build());
        let place = Place { client, free: Arc::new(Semaphore::new(MAX_IN_FLIGHT)) };
        regions.insert(region.clone(), place.clone());
        place
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

fn bare(operation: Operation, http: Option<u16>, class: FailureClass) -> CallFailure {
    CallFailure { operation: operation.name(), class, http, code: None, request_id: None }
}

/// Tells the observer how an attempt ended, also if its future is dropped.
struct Attempt<'a> {
    operation: Operation,
    begun: Instant,
    class: Option<FailureClass>,
    observer: &'a dyn Observer,
}

impl<'a> Attempt<'a> {
    fn begin(operation: Operation, observer: &'a dyn Observer) -> Self {
        Self { operation, begun: Instant::now(), class: Some(FailureClass::Unavailable), observer }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.observer.call(self.operation, self.class, self.begun.elapsed());
    }
}
