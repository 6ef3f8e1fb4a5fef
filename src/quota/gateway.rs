//! The gateway to AWS: every call passes its circuit breakers and its quota here.
//!
//! Owns: their order. First the breakers: a call denied to one object isn't repeated by others. Then the reservation.
//! The token is taken last, just before the send.
//! Never: decides what to call.

#[cfg(test)]
mod tests;

use crate::aws::client::Client;
use crate::aws::failure::{CallFailure, FailureClass};
use crate::aws::identifiers::{OutputUri, Region, SessionArn, StreamGroupArn};
use crate::aws::model::{Filter, PageToken, SessionPage, SessionRead};
use crate::aws::operation::Operation;
use crate::config::QuotaConfig;
use crate::quota::breaker::{BreakerKey, BreakerState, CircuitBreakers, Denial};
use crate::quota::connection_warnings::ConnectionWarnings;
use crate::quota::scheduler::{Bucket, Permit, PermitReceiver, Priority, QuotaScheduler, Requester, Reservation};
use crate::runtime::backoff::ExponentialBackoff;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// The breakers are checked at least this often: one that has just opened is due no sooner.
const MAX_PROBE_WAIT: Duration = Duration::from_secs(1);

/// One identity's access to AWS for one leader term. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AwsGateway {
    /// Makes the calls.
    client: Client,
    /// Opaque name of the identity, part of every breaker's key.
    identity: Arc<str>,
    /// Reservations of quota.
    scheduler: QuotaScheduler,
    /// Configured shares, requests per second.
    shares: QuotaConfig,
    /// Circuit breakers for denied calls.
    breakers: Arc<CircuitBreakers>,
    /// Warnings about hosts that don't answer.
    connection_warnings: Arc<ConnectionWarnings>,
    /// Sends the uids of holders that may retry a denied call.
    retries: mpsc::UnboundedSender<Arc<str>>,
}

/// The receiving ends of an [`AwsGateway`].
#[derive(Debug)]
pub(crate) struct GatewayReceivers {
    /// Permits for export calls.
    pub export_permits: PermitReceiver,
    /// Permits for reads.
    pub read_permits: PermitReceiver,
    /// Uids of holders that may retry a denied call.
    pub retries: mpsc::UnboundedReceiver<Arc<str>>,
}

/// A request for a reservation about one session.
#[derive(Debug, Clone)]
pub(crate) struct CallRequest<'a> {
    /// The object, and the namespace that its reservations count for.
    pub holder: Requester,
    /// The session that the call is about.
    pub arn: &'a SessionArn,
    /// Its priority in the queue.
    pub urgency: Priority,
}

/// The destination of an export.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination<'a> {
    /// The URI that is sent to AWS.
    pub uri: &'a OutputUri,
    /// The prefix of the rule that allows it: a denial of one destination holds for all below it.
    pub prefix: &'a str,
}

/// The result of [`AwsGateway::reserve_get`], [`AwsGateway::reserve_export`] and [`AwsGateway::reserve_list`].
#[derive(Debug)]
pub(crate) enum Admission {
    /// The call may be made with this permit.
    Granted(Permit),
    /// Not yet granted; its [`GatewayReceivers`] yield the permit once it is.
    Waiting {
        /// When the holder first requested it.
        since: Instant,
    },
    /// A circuit breaker is open: AWS denied the same call. The holder is queued for a retry.
    Denied {
        /// The denial.
        denial: Denial,
        /// When AWS first denied it.
        since: Instant,
        /// When to try again.
        next: Instant,
    },
}

/// Quota figures of one operation over all buckets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OperationLoad {
    /// The operation.
    pub operation: Operation,
    /// Requests per second that the configuration allows.
    pub configured: f64,
    /// Requests per second that are allowed now: the lowest of all buckets, at most `configured`.
    pub share: f64,
    /// Requests that could be sent now: the lowest of all buckets; 0 while there is no bucket.
    pub tokens: f64,
    /// Queued holders in all buckets.
    pub waiting: usize,
}

/// The breakers that a call must pass, credentials first, and the bucket that it draws on.
struct CallPath {
    breakers: [BreakerKey; 2],
    bucket: Bucket,
}

/// The token of one call: the quota is spent, the call may be sent. Holds when it was taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SendPermit(Instant);

impl AwsGateway {
    /// Starts with empty buckets, as a new leader must, and with all breakers closed. `denied_backoff` are the
    /// delays until a denied call is retried.
    pub(crate) fn new(
        client: Client,
        identity: &str,
        shares: QuotaConfig,
        denied_backoff: ExponentialBackoff,
    ) -> (Self, GatewayReceivers) {
        let (scheduler, export_permits, read_permits) = QuotaScheduler::new(shares, Instant::now());
        let (sender, retries) = mpsc::unbounded_channel();
        let breakers = Arc::new(CircuitBreakers::new(denied_backoff));
        let gateway = Self {
            client,
            identity: identity.into(),
            scheduler,
            shares,
            breakers,
            connection_warnings: Arc::default(),
            retries: sender,
        };
        (gateway, GatewayReceivers { export_permits, read_permits, retries })
    }

    /// Grants reservations, and elects holders that may probe an open breaker, until it is dropped.
    pub(crate) async fn run_gateway(&self) {
        tokio::select! {
            () = self.scheduler.clone().run() => {}
            () = self.run_breakers() => {}
        }
    }

    async fn run_breakers(&self) {
        loop {
            let now = Instant::now();
            let (elected, next) = self.breakers.probes_due(now);
            self.notify_retries(elected);
            sleep_until(
                next.unwrap_or(now + MAX_PROBE_WAIT).clamp(now + Duration::from_millis(10), now + MAX_PROBE_WAIT),
            )
            .await;
        }
    }

    fn notify_retries(&self, uids: Vec<Arc<str>>) {
        for uid in uids {
            // The receiver is dropped only when the leader term ends.
            drop(self.retries.send(uid));
        }
    }

    /// Reserves a Get, or goes on with the permit that was granted for it; may be repeated.
    pub(crate) fn reserve_get(
        &self,
        call_request: CallRequest<'_>,
        granted: Option<Permit>,
        now: Instant,
    ) -> Admission {
        self.check_and_reserve(&self.get_path(&call_request), call_request.holder, call_request.urgency, granted, now)
    }

    /// Reserves an export call, or goes on with the permit that was granted for it; may be repeated.
    pub(crate) fn reserve_export(
        &self,
        call_request: CallRequest<'_>,
        destination: Destination<'_>,
        granted: Option<Permit>,
        now: Instant,
    ) -> Admission {
        let path = self.export_path(&call_request, destination);
        self.check_and_reserve(&path, call_request.holder, call_request.urgency, granted, now)
    }

    /// Reserves a page of a group's sessions, or goes on with the permit that was granted for it; may be repeated.
    pub(crate) fn reserve_list(
        &self,
        group: &StreamGroupArn,
        (holder, urgency): (Requester, Priority),
        granted: Option<Permit>,
        now: Instant,
    ) -> Admission {
        self.check_and_reserve(&self.list_path(group), holder, urgency, granted, now)
    }

    /// The breakers are checked also with a permit: one may have opened while the holder was queued.
    fn check_and_reserve(
        &self,
        path: &CallPath,
        holder: Requester,
        urgency: Priority,
        granted: Option<Permit>,
        now: Instant,
    ) -> Admission {
        let uid = &holder.uid;
        for key in &path.breakers {
            if let BreakerState::Open { denial, since, next } = self.breakers.check(key, uid, urgency, now) {
                // No call is made, so a probe of the other breaker ends without a result.
                path.breakers.iter().for_each(|key| self.breakers.record_inconclusive(key, uid, now));
                self.scheduler.cancel_in(&path.bucket, uid);
                return Admission::Denied { denial, since, next };
            }
        }
        match granted.map_or_else(|| self.scheduler.reserve(&path.bucket, holder, urgency, now), Reservation::Granted) {
            Reservation::Granted(permit) => Admission::Granted(permit),
            Reservation::Waiting { since } => Admission::Waiting { since },
        }
    }

    fn get_path(&self, call_request: &CallRequest<'_>) -> CallPath {
        let permission = BreakerKey::for_read(self.identity.clone(), Operation::Get, &call_request.arn.stream_group());
        self.call_path(permission, &call_request.arn.region, bucket_of(Operation::Get, call_request.arn))
    }

    fn export_path(&self, call_request: &CallRequest<'_>, destination: Destination<'_>) -> CallPath {
        let permission =
            BreakerKey::for_export(self.identity.clone(), &call_request.arn.stream_group(), destination.prefix);
        self.call_path(permission, &call_request.arn.region, bucket_of(Operation::Export, call_request.arn))
    }

    fn list_path(&self, group: &StreamGroupArn) -> CallPath {
        let StreamGroupArn { region, account, group: _ } = group.clone();
        let permission = BreakerKey::for_read(self.identity.clone(), Operation::List, group);
        self.call_path(permission, &group.region, Bucket { account, region, operation: Operation::List })
    }

    /// Credentials come first: without them a call says nothing about the permission.
    fn call_path(&self, permission: BreakerKey, region: &Region, bucket: Bucket) -> CallPath {
        CallPath { breakers: [BreakerKey::for_credentials(self.identity.clone(), region.clone()), permission], bucket }
    }

    /// Cancels an object's reservations and forgets it in the breakers.
    pub(crate) fn cancel(&self, uid: &str) {
        self.scheduler.cancel(uid);
        self.breakers.cancel(uid);
    }

    /// Cancels the reservation of a Get that is no longer needed. Other reservations of the holder stay.
    pub(crate) fn cancel_get(&self, arn: &SessionArn, uid: &str) {
        self.scheduler.cancel_in(&bucket_of(Operation::Get, arn), uid);
    }

    /// Takes the token, last before the send. Returns `None` if the reservation is back at the head of its namespace.
    pub(crate) async fn acquire_send_permit(&self, permit: Permit) -> Option<SendPermit> {
        permit.acquire().await.ok().map(SendPermit)
    }

    /// GetStreamSession.
    ///
    /// # Errors
    /// The classified failure.
    pub(crate) async fn get_session(
        &self,
        token: SendPermit,
        call_request: &CallRequest<'_>,
    ) -> Result<SessionRead, CallFailure> {
        let answer = self.client.get(call_request.arn).await;
        self.record_outcome(&self.get_path(call_request), token, &call_request.holder.uid, answer.as_ref().err());
        answer
    }

    /// ExportStreamSessionFiles. Returns AWS's request id. A dropped future counts as an unanswered call.
    ///
    /// # Errors
    /// The classified failure.
    pub(crate) async fn export_session(
        &self,
        token: SendPermit,
        call_request: &CallRequest<'_>,
        destination: Destination<'_>,
    ) -> Result<String, CallFailure> {
        let answer = self.client.export(call_request.arn, destination.uri).await;
        self.record_outcome(
            &self.export_path(call_request, destination),
            token,
            &call_request.holder.uid,
            answer.as_ref().err(),
        );
        answer.map(|answer| answer.request_id)
    }

    /// One page of ListStreamSessions, reserved under `uid`.
    ///
    /// # Errors
    /// The classified failure.
    pub(crate) async fn list_sessions(
        &self,
        token: SendPermit,
        uid: &Arc<str>,
        group: &StreamGroupArn,
        (filter, from): (Filter, Option<&PageToken>),
    ) -> Result<SessionPage, CallFailure> {
        let answer = self.client.list(group, filter, from).await;
        self.record_outcome(&self.list_path(group), token, uid, answer.as_ref().err());
        answer
    }

    /// Records a call's result in the limiter and the breakers.
    fn record_outcome(&self, path: &CallPath, token: SendPermit, uid: &Arc<str>, failure: Option<&CallFailure>) {
        let now = Instant::now();
        let [credentials, permission] = &path.breakers;
        let Some(failure) = failure else {
            self.notify_retries(self.breakers.record_success(credentials));
            return self.notify_retries(self.breakers.record_success(permission));
        };
        self.connection_warnings.log_warning(failure, now);
        let denial = || Denial { class: failure.class, detail: failure.detail.without_text() };
        match failure.class {
            FailureClass::Credentials => {
                self.breakers.record_denial(credentials, uid, denial(), now);
                self.breakers.record_inconclusive(permission, uid, now);
            }
            FailureClass::AccessDenied => {
                self.notify_retries(self.breakers.record_success(credentials));
                self.breakers.record_denial(permission, uid, denial(), now);
            }
            // AWS accepted the credentials and evaluated the request.
            FailureClass::NotFound | FailureClass::Rejected => {
                self.notify_retries(self.breakers.record_success(credentials));
                self.breakers.record_inconclusive(permission, uid, now);
            }
            class @ (FailureClass::Throttled | FailureClass::Unavailable | FailureClass::Unreachable) => {
                if class == FailureClass::Throttled {
                    self.scheduler.on_throttled(&path.bucket, token.0, now);
                }
                self.breakers.record_inconclusive(credentials, uid, now);
                self.breakers.record_inconclusive(permission, uid, now);
            }
        }
    }

    /// The part of the List share that discovery scans have before all other lists.
    pub(crate) const fn discovery_share(&self) -> f64 {
        self.shares.discovery_share
    }

    /// Figures of each operation over all accounts and Regions, for metrics and the poll plan.
    pub(crate) fn operation_stats(&self) -> [OperationLoad; Operation::ALL.len()] {
        let buckets = self.scheduler.bucket_stats(Instant::now());
        Operation::ALL.map(|operation| {
            let of_operation = || buckets.iter().filter(|stats| stats.bucket.operation == operation);
            let configured = self.shares.share_of(operation);
            OperationLoad {
                operation,
                configured,
                share: of_operation().map(|stats| stats.share_in_force).fold(configured, f64::min),
                tokens: of_operation().map(|stats| stats.tokens).reduce(f64::min).unwrap_or_default(),
                waiting: of_operation().map(|stats| stats.waiting).sum(),
            }
        })
    }
}

fn bucket_of(operation: Operation, arn: &SessionArn) -> Bucket {
    Bucket { account: arn.account.clone(), region: arn.region.clone(), operation }
}
