//! Calls to Amazon GameLift Streams, one attempt each.
//!
//! Owns: the SDK's clients (one per Region), time-outs, the size limits of answers, and which fields may leave it.
//! Never: retries (the next reconcile is the retry), takes from the quota ([`crate::quota::scheduler`] does), prints a
//! response or an SDK error.

pub(crate) mod bounded_body;
pub(crate) mod credentials;
pub(crate) mod https;
pub(crate) mod response;
#[cfg(test)]
mod tests;

pub(super) use crate::aws::client::bounded_body::OversizedBody;
use crate::aws::client::bounded_body::bounded_https_client;
pub(super) use crate::aws::client::credentials::SourceFailure;
use crate::aws::client::credentials::TimeoutCredentials;
pub(crate) use crate::aws::client::https::CaBundleError;
pub(super) use crate::aws::client::https::RequestError;
use crate::aws::client::https::load_trust;
use crate::aws::error_class::{printable_word, to_call_failure};
use crate::aws::failure::{CallFailure, ConnectionFailure, FailureClass, FailureDetail};
use crate::aws::identifiers::{Malformed, OutputUri, Region, SessionArn, StreamGroupArn};
use crate::aws::model::{Filter, PageToken, ReadSource, SessionPage, SessionRead};
use crate::aws::operation::{CallMetrics, Operation};
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::ProvideRegion;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, FrameworkMetadata, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_gameliftstreams as sdk;
use aws_sdk_gameliftstreams::config::IdentityCache;
use aws_sdk_gameliftstreams::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_gameliftstreams::operation::RequestId;
use aws_smithy_http_client::tls::TlsContext;
use aws_smithy_runtime_api::http::Response;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// A connection that isn't established within this is given up (3/8 of the call's time-out, if that is less).
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
/// Calls of one identity that may be in flight at once in one Region: as many as the default shares of all operations
/// send within a call's time-out. So a Region that doesn't answer delays no other.
const MAX_IN_FLIGHT: usize = 160;
/// Sessions on one page of a list: the most that AWS gives.
const PAGE_SIZE: i32 = 100;
/// Regions whose clients are kept. AWS has fewer; a user can invent more.
const MAX_REGIONS: usize = 32;

/// Amazon GameLift Streams, in every Region, as one identity. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: SdkConfig,
    regions: Mutex<HashMap<Region, RegionalClient>>,
    observer: Arc<dyn CallMetrics>,
}

/// One Region's client, and the permits for its calls in flight.
#[derive(Clone)]
struct RegionalClient {
    client: sdk::Client,
    free: Arc<Semaphore>,
}

/// AWS's acceptance of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExportAnswer {
    /// AWS's request id, for logs and Events only.
    pub request_id: String,
}

impl Client {
    /// The operator's own identity, as the SDK's default chain finds it: environment (also
    /// `AWS_ENDPOINT_URL_GAMELIFTSTREAMS`), profile, web identity, container, instance.
    ///
    /// Missing credentials surface at the call, as [`FailureClass::Credentials`].
    ///
    /// # Errors
    /// If `AWS_CA_BUNDLE` names a file that can't be used.
    pub(crate) async fn load(
        region: Option<&Region>,
        call_timeout: Duration,
        observer: Arc<dyn CallMetrics>,
    ) -> Result<Self, CaBundleError> {
        let trust = load_trust()?;
        let configured = region.map(|region| aws_config::Region::new(region.as_str().to_owned()));
        // STS is called in the Pod's own Region, which the stream groups need not share: a private Region may reach no
        // other endpoint of STS. EKS sets AWS_REGION together with a role.
        let own = EnvironmentVariableRegionProvider::new().region().await;
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = own.or(configured.clone()) {
            loader = loader.region(region);
        }
        // For the chain's own requests: STS, ECS, EKS Pod Identity, instance metadata.
        let config = loader.http_client(bounded_https_client(&trust)).load().await;
        let region = configured.or_else(|| config.region().cloned());
        Ok(Self::new(config.into_builder().region(region).build(), call_timeout, observer, &trust))
    }

    /// A client of any identity. The configuration's retries, time-outs, identity cache and HTTP client are replaced;
    /// its credentials provider and endpoint are used in all Regions. A tenant gets a `Client` of its own.
    pub(crate) fn new(
        config: SdkConfig,
        call_timeout: Duration,
        observer: Arc<dyn CallMetrics>,
        trust: &TlsContext,
    ) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(call_timeout.mul_f64(0.375)))
            .operation_attempt_timeout(call_timeout)
            .operation_timeout(call_timeout)
            .build();
        let source = config.credentials_provider();
        let mut config = config
            .into_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // The time-outs above are shorter than the protection's grace period.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .identity_cache(IdentityCache::lazy().build())
            .http_client(bounded_https_client(trust));
        if let Some(source) = source {
            // A source that hangs must fail as such before the call's own time-out makes it "unanswered".
            let bounded = TimeoutCredentials::new(source, call_timeout.mul_f64(0.75));
            config = config.credentials_provider(SharedCredentialsProvider::new(bounded));
        }
        if let Ok(name) = FrameworkMetadata::new(env!("CARGO_PKG_NAME"), Some(env!("CARGO_PKG_VERSION"))) {
            config = config.framework_metadata(name);
        }
        let inner = Inner { config: config.build(), regions: Mutex::default(), observer };
        Self { inner: Arc::new(inner) }
    }

    /// The Region that the SDK's chain found, for objects that name none.
    ///
    /// # Errors
    /// If it found one that is none of the service.
    pub(crate) fn resolved_region(&self) -> Result<Option<Region>, Malformed> {
        self.inner.config.region().map(|region| region.as_ref().parse()).transpose()
    }

    /// Reads one session (GetStreamSession). ResourceNotFoundException is an answer too: `found: None`.
    ///
    /// Cancel-safe: dropping the future abandons the read.
    pub(crate) async fn get(&self, arn: &SessionArn) -> Result<SessionRead, CallFailure> {
        let regional = self.regional_client(&arn.region);
        let request = regional.client.get_stream_session();
        let send = request.identifier(arn.group.as_str()).stream_session_identifier(arn.session.as_str()).send();
        let begun = Instant::now();
        let outcome =
            self.send_once(&regional, Operation::Get, send, |output| response::session_from_get(arn, &output)).await;
        let found = match outcome {
            Ok(session) => {
                self.inner.observer.unknown_enum_values(Operation::Get, session.unknown_enum_values());
                Some(session)
            }
            Err(failure) if failure.class == FailureClass::NotFound => None,
            Err(failure) => return Err(failure),
        };
        Ok(SessionRead { begun, source: ReadSource::Get, found })
    }

    /// Reads one page of a group's sessions (ListStreamSessions), a hundred at most.
    ///
    /// Cancel-safe: dropping the future abandons the read.
    pub(crate) async fn list(
        &self,
        group: &StreamGroupArn,
        filter: Filter,
        from: Option<&PageToken>,
    ) -> Result<SessionPage, CallFailure> {
        let regional = self.regional_client(&group.region);
        let request = regional.client.list_stream_sessions().identifier(group.group.as_str());
        let request = request.max_results(PAGE_SIZE).set_next_token(from.map(|token| token.as_str().to_owned()));
        let send = match filter {
            Filter::Session(status) => request.set_status(status.as_str().map(Into::into)),
            Filter::Export(status) => request.set_export_files_status(status.as_str().map(Into::into)),
        }
        .send();
        let begun = Instant::now();
        let page = |output: sdk::operation::list_stream_sessions::ListStreamSessionsOutput| {
            // The SDK takes any 200 for an empty page. AWS's own carries a request id, a captive portal's doesn't.
            output.request_id().and_then(printable_word)?;
            let sessions: Vec<_> =
                output.items().iter().filter_map(|one| response::session_from_summary(group, one)).collect();
            let unknown = sessions.iter().map(|(_, session)| session.unknown_enum_values()).sum();
            self.inner.observer.unknown_enum_values(Operation::List, unknown);
            Some(SessionPage { begun, sessions, next: output.next_token().map(PageToken::new) })
        };
        self.send_once(&regional, Operation::List, send, page).await
    }

    /// Requests the export of one session (ExportStreamSessionFiles). Idempotent: the same call may be made again.
    ///
    /// A call whose future is dropped may have reached AWS: the caller must count it as unanswered, exactly as
    /// [`FailureClass::Unavailable`].
    pub(crate) async fn export(&self, arn: &SessionArn, uri: &OutputUri) -> Result<ExportAnswer, CallFailure> {
        let regional = self.regional_client(&arn.region);
        let request = regional.client.export_stream_session_files().identifier(arn.group.as_str());
        let send = request.stream_session_identifier(arn.session.as_str()).output_uri(uri.as_str()).send();
        let accepted = |output: sdk::operation::export_stream_session_files::ExportStreamSessionFilesOutput| {
            // The SDK takes any 200 for success. AWS's own carries a request id, a captive portal's doesn't.
            output.request_id().and_then(printable_word).map(|request_id| ExportAnswer { request_id })
        };
        self.send_once(&regional, Operation::Export, send, accepted).await
    }

    /// One attempt, bounded and observed. `read` returns `None` for an answer that can't be AWS's.
    async fn send_once<T, U, E>(
        &self,
        regional: &RegionalClient,
        operation: Operation,
        send: impl Future<Output = Result<T, SdkError<E, Response>>>,
        read: impl FnOnce(T) -> Option<U>,
    ) -> Result<U, CallFailure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let Ok(_slot) = regional.free.try_acquire() else {
            let detail = FailureDetail::Connection(ConnectionFailure::Saturated);
            return Err(local_failure(operation, None, FailureClass::Unreachable, detail));
        };
        let mut attempt = CallTimer::start_timer(operation, self.inner.observer.as_ref());
        let outcome = match send.await {
            Ok(output) => read(output).ok_or_else(|| {
                local_failure(operation, Some(200), FailureClass::Unavailable, FailureDetail::ForeignAnswer(200))
            }),
            Err(error) => Err(to_call_failure(operation, &error)),
        };
        // GetStreamSession's "no such session" is a proper answer, not a failed attempt.
        let class = outcome.as_ref().err().map(|failure| failure.class);
        attempt.class = class.filter(|class| operation != Operation::Get || *class != FailureClass::NotFound);
        outcome
    }

    fn regional_client(&self, region: &Region) -> RegionalClient {
        let mut regions = self.inner.regions.lock();
        if let Some(regional) = regions.get(region) {
            return regional.clone();
        }
        if regions.len() >= MAX_REGIONS {
            regions.clear();
        }
        let name = sdk::config::Region::new(region.as_str().to_owned());
        let client = sdk::Client::from_conf(sdk::config::Builder::from(&self.inner.config).region(name).build());
        let regional = RegionalClient { client, free: Arc::new(Semaphore::new(MAX_IN_FLIGHT)) };
        regions.insert(region.clone(), regional.clone());
        regional
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

fn local_failure(operation: Operation, http: Option<u16>, class: FailureClass, detail: FailureDetail) -> CallFailure {
    CallFailure { operation, class, http, detail, original: None, host: None, request_id: None }
}

/// Reports to the observer how an attempt ended, also if its future is dropped.
struct CallTimer<'a> {
    operation: Operation,
    begun: Instant,
    class: Option<FailureClass>,
    observer: &'a dyn CallMetrics,
}

impl<'a> CallTimer<'a> {
    fn start_timer(operation: Operation, observer: &'a dyn CallMetrics) -> Self {
        Self { operation, begun: Instant::now(), class: Some(FailureClass::Unavailable), observer }
    }
}

impl Drop for CallTimer<'_> {
    fn drop(&mut self) {
        self.observer.record_call(self.operation, self.class, self.begun.elapsed());
    }
}
