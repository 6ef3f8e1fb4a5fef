//! AWS behind its gates and its quota: turns, tokens and calls in one place.
//!
//! Owns: the order in which these are used. What is denied to one is not asked by the others; who may call waits for
//! its turn; the token is taken last. Never: decides what to ask for.

use super::client::Client;
use super::denial::{Admission, Gate, Gates};
use super::identifiers::{OutputUri, Region, SessionArn, StreamGroupArn};
use super::observation::{CallFailure, FailureClass, Filter, Page, PageToken, Reading};
use super::operation::Operation;
use super::turns::{Bucket, Holder, Permit, Shares, Turn, Turns, Urgency};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How often the gates are looked at, at least: one that has just closed is due no sooner.
const GATES: Duration = Duration::from_secs(1);

/// One identity's access to AWS for one term of office. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    client: Client,
    identity: Arc<str>,
    turns: Turns,
    shares: Shares,
    gates: Arc<Gates>,
    admitted: mpsc::UnboundedSender<Arc<str>>,
}

/// The uids of those whose turn has come, or who may try again what was denied.
#[derive(Debug)]
pub struct Called {
    granted: mpsc::UnboundedReceiver<Arc<str>>,
    admitted: mpsc::UnboundedReceiver<Arc<str>>,
}

impl Called {
    /// The next one; `None` once nobody can be called any more.
    pub async fn next(&mut self) -> Option<Arc<str>> {
        tokio::select! {
            uid = self.granted.recv() => uid,
            uid = self.admitted.recv() => uid,
        }
    }
}

/// Who asks for a turn, for what.
#[derive(Debug, Clone)]
pub struct Asker<'a> {
    /// The object, and the namespace that its turns are counted in.
    pub holder: Holder,
    /// The session that the call is about.
    pub arn: &'a SessionArn,
    /// Where its export goes.
    pub uri: &'a OutputUri,
    /// Its place in the queue.
    pub urgency: Urgency,
}

/// The answer to [`Access::ask`].
#[derive(Debug)]
pub enum Asked {
    /// Go on, with this.
    Granted(Permit),
    /// Not yet; the holder's uid comes on the channel when it is.
    Waiting {
        /// When the holder first asked.
        since: Instant,
    },
    /// What it asks for is denied to others as well; it waits with them.
    Denied {
        /// As what it is denied.
        class: FailureClass,
        /// Since when.
        since: Instant,
        /// When to ask again.
        next: Instant,
    },
}

/// How one operation fares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperationLoad {
    /// Which.
    pub operation: Operation,
    /// Requests per second that the configuration allows.
    pub configured: f64,
    /// Requests per second that are allowed now: the lowest of all buckets.
    pub share: f64,
    /// Requests that could be sent now: the lowest of all buckets, none before the first was asked for.
    pub tokens: f64,
    /// Holders that wait, in all buckets.
    pub waiting: usize,
}

/// What a call must pass: gates, and the quota that it draws on.
struct Way {
    gates: [Gate; 2],
    bucket: Bucket,
}

/// The token of one call: the quota has been spent, the call may go out.
#[derive(Debug, Clone, Copy)]
pub struct Token(Instant);

impl Access {
    /// Starts with empty buckets, as a new leader must, and with all gates open. What is denied is tried again
    /// after `denied_retry.0`, doubling up to `denied_retry.1`.
    pub fn new(client: Client, identity: &str, shares: Shares, denied_retry: (Duration, Duration)) -> (Self, Called) {
        let (turns, granted) = Turns::new(shares, Instant::now());
        let (sender, admitted) = mpsc::unbounded_channel();
        let gates = Arc::new(Gates::new(denied_retry.0, denied_retry.1));
        (
            Self { client, identity: identity.into(), turns, shares, gates, admitted: sender },
            Called { granted, admitted },
        )
    }

    /// Grants turns and elects who may probe a gate, until it is dropped.
    pub async fn serve(&self) {
        tokio::select! {
            () = self.turns.clone().run() => {}
            () = self.tend_gates() => {}
        }
    }

    async fn tend_gates(&self) {
        loop {
            let now = Instant::now();
            let (elected, next) = self.gates.due(now);
            self.call(elected);
            sleep_until(next.unwrap_or(now + GATES).clamp(now + Duration::from_millis(10), now + GATES)).await;
        }
    }

    fn call(&self, uids: Vec<Arc<str>>) {
        for uid in uids {
            // Nobody listens any more only at the end of the term.
            drop(self.admitted.send(uid));
        }
    }

    /// Asks for a turn, once or again.
    pub fn ask(&self, operation: Operation, asker: Asker<'_>, now: Instant) -> Asked {
        self.admit(&self.way(operation, &asker), asker.holder, asker.urgency, now)
    }

    /// Asks for a turn to read a page of a group's sessions, once or again.
    pub fn ask_list(&self, group: &StreamGroupArn, holder: Holder, urgency: Urgency, now: Instant) -> Asked {
        self.admit(&self.way_to_list(group), holder, urgency, now)
    }

    fn admit(&self, way: &Way, holder: Holder, urgency: Urgency, now: Instant) -> Asked {
        let uid = &holder.uid;
        for gate in &way.gates {
            if let Admission::Closed { class, since, next } = self.gates.admit(gate, uid, urgency, now) {
                // Nothing will come of a probe of the other one.
                way.gates.iter().for_each(|gate| self.gates.inconclusive(gate, uid, now));
                self.turns.withdraw(uid);
                return Asked::Denied { class, since, next };
            }
        }
        match self.turns.ask(&way.bucket, holder, urgency, now) {
            Turn::Granted(permit) => Asked::Granted(permit),
            Turn::Waiting { since } => Asked::Waiting { since },
        }
    }

    fn way(&self, operation: Operation, asker: &Asker<'_>) -> Way {
        let permission = match operation {
            Operation::Export => Gate::export(self.identity.clone(), asker.arn, asker.uri),
            Operation::Get | Operation::List => Gate::read(self.identity.clone(), operation, &asker.arn.stream_group()),
        };
        self.through(permission, &asker.arn.region, bucket(operation, asker.arn))
    }

    fn way_to_list(&self, group: &StreamGroupArn) -> Way {
        let StreamGroupArn { region, account, group: _ } = group.clone();
        let permission = Gate::read(self.identity.clone(), Operation::List, group);
        self.through(permission, &group.region, Bucket { account, region, operation: Operation::List })
    }

    /// Its credentials first: without them nothing else can be told.
    fn through(&self, permission: Gate, region: &Region, bucket: Bucket) -> Way {
        Way { gates: [Gate::credentials(self.identity.clone(), region.clone()), permission], bucket }
    }

    /// Gives back whatever an object waits for.
    pub fn withdraw(&self, uid: &str) {
        self.turns.withdraw(uid);
        self.gates.withdraw(uid);
    }

    /// Gives back a turn for a read that is no longer needed. Other turns of the holder stay.
    pub fn withdraw_read(&self, arn: &SessionArn, uid: &str) {
        self.turns.withdraw_from(&bucket(Operation::Get, arn), uid);
    }

    /// Takes the token, last before the send. `None`: the turn is back at the head of its queue.
    pub async fn token(&self, permit: Permit) -> Option<Token> {
        permit.ready().await.ok().map(Token)
    }

    /// GetStreamSession.
    ///
    /// # Errors
    /// The classified failure.
    pub async fn get(&self, token: Token, asker: &Asker<'_>) -> Result<Reading, CallFailure> {
        let answer = self.client.get(asker.arn).await;
        self.note(&self.way(Operation::Get, asker), token, &asker.holder.uid, answer.as_ref().err());
        answer
    }

    /// ExportStreamSessionFiles. Returns AWS's request id. A dropped future counts as an unanswered call.
    ///
    /// # Errors
    /// The classified failure.
    pub async fn export(&self, token: Token, asker: &Asker<'_>) -> Result<String, CallFailure> {
        let answer = self.client.export(asker.arn, asker.uri).await;
        self.note(&self.way(Operation::Export, asker), token, &asker.holder.uid, answer.as_ref().err());
        answer.map(|answer| answer.request_id)
    }

    /// One page of ListStreamSessions, with a turn asked for as `uid`.
    ///
    /// # Errors
    /// The classified failure.
    pub async fn list(
        &self,
        token: Token,
        uid: &Arc<str>,
        group: &StreamGroupArn,
        (filter, from): (Filter, Option<&PageToken>),
    ) -> Result<Page, CallFailure> {
        let answer = self.client.list(group, filter, from).await;
        self.note(&self.way_to_list(group), token, uid, answer.as_ref().err());
        answer
    }

    /// Lets limiter and gates know how a call went.
    fn note(&self, way: &Way, token: Token, uid: &Arc<str>, failure: Option<&CallFailure>) {
        let now = Instant::now();
        let [credentials, permission] = &way.gates;
        match failure.map(|failure| failure.class) {
            None => {
                self.call(self.gates.succeeded(credentials));
                self.call(self.gates.succeeded(permission));
            }
            Some(class @ FailureClass::Credentials) => {
                self.gates.denied(credentials, uid, class, now);
                self.gates.inconclusive(permission, uid, now);
            }
            Some(class @ FailureClass::AccessDenied) => {
                self.call(self.gates.succeeded(credentials));
                self.gates.denied(permission, uid, class, now);
            }
            // AWS knew who asked, and looked at what was asked.
            Some(FailureClass::NotFound | FailureClass::Rejected) => {
                self.call(self.gates.succeeded(credentials));
                self.gates.inconclusive(permission, uid, now);
            }
            Some(class @ (FailureClass::Throttled | FailureClass::Unavailable | FailureClass::Unreachable)) => {
                if class == FailureClass::Throttled {
                    self.turns.throttled(&way.bucket, token.0, now);
                }
                self.gates.inconclusive(credentials, uid, now);
                self.gates.inconclusive(permission, uid, now);
            }
        }
    }

    /// How each operation fares in all accounts and Regions together, for metrics.
    pub fn load(&self) -> [OperationLoad; Operation::ALL.len()] {
        let lanes = self.turns.load(Instant::now());
        Operation::ALL.map(|operation| {
            let of_it = || lanes.iter().filter(|lane| lane.bucket.operation == operation);
            let configured = self.shares.of(operation);
            OperationLoad {
                operation,
                configured,
                share: of_it().map(|lane| lane.share_in_force).fold(configured, f64::min),
                tokens: of_it().map(|lane| lane.tokens).reduce(f64::min).unwrap_or_default(),
                waiting: of_it().map(|lane| lane.waiting).sum(),
            }
        })
    }
}

fn bucket(operation: Operation, arn: &SessionArn) -> Bucket {
    Bucket { account: arn.account.clone(), region: arn.region.clone(), operation }
}
