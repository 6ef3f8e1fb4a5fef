//! AWS behind its quota: turns, tokens and calls in one place.
//!
//! Owns: the order in which these are used. Never: decides what to ask for.

use super::client::Client;
use super::identifiers::{OutputUri, SessionArn};
use super::observation::{CallFailure, FailureClass, Reading};
use super::operation::Operation;
use super::turns::{Bucket, Holder, Permit, Shares, Turn, Turns, Urgency};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// One identity's access to AWS for one term of office. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    client: Client,
    turns: Turns,
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

/// The token of one call: the quota has been spent, the call may go out.
#[derive(Debug, Clone, Copy)]
pub struct Token(Instant);

impl Access {
    /// Starts with an empty bucket, as a new leader must. The channel brings the uids of granted holders.
    pub fn new(client: Client, shares: Shares) -> (Self, mpsc::UnboundedReceiver<Arc<str>>) {
        let (turns, grants) = Turns::new(shares);
        (Self { client, turns }, grants)
    }

    /// Grants turns as the quota allows, until it is dropped.
    pub async fn grant_turns(&self) {
        self.turns.clone().run().await;
    }

    /// Asks for a turn, once or again.
    pub fn ask(&self, operation: Operation, asker: Asker<'_>, now: Instant) -> Asked {
        match self.turns.ask(&bucket(operation, asker.arn), asker.holder, asker.urgency, now) {
            Turn::Granted(permit) => Asked::Granted(permit),
            Turn::Waiting { since } => Asked::Waiting { since },
        }
    }

    /// Gives back whatever an object waits for.
    pub fn withdraw(&self, uid: &str) {
        self.turns.withdraw(uid);
    }

    /// Takes the token, last before the send. `None`: the turn is back at the head of its queue.
    pub async fn token(&self, permit: Permit) -> Option<Token> {
        permit.ready().await.ok().map(Token)
    }

    /// GetStreamSession.
    ///
    /// # Errors
    /// The classified failure.
    pub async fn get(&self, token: Token, arn: &SessionArn) -> Result<Reading, CallFailure> {
        let answer = self.client.get(arn).await;
        self.note(Operation::Get, token, arn, answer.as_ref().err());
        answer
    }

    /// ExportStreamSessionFiles. Returns AWS's request id. A dropped future counts as an unanswered call.
    ///
    /// # Errors
    /// The classified failure.
    pub async fn export(&self, token: Token, arn: &SessionArn, uri: &OutputUri) -> Result<String, CallFailure> {
        let answer = self.client.export(arn, uri).await;
        self.note(Operation::Export, token, arn, answer.as_ref().err());
        answer.map(|answer| answer.request_id)
    }

    fn note(&self, operation: Operation, token: Token, arn: &SessionArn, failure: Option<&CallFailure>) {
        if failure.is_some_and(|failure| failure.class == FailureClass::Throttled) {
            self.turns.throttled(&bucket(operation, arn), token.0, Instant::now());
        }
    }

    /// Operation, share in force and number of those who wait, summed over accounts and Regions.
    pub fn load(&self) -> Vec<(Operation, f64, usize)> {
        let lanes = self.turns.load(Instant::now());
        let of = |operation| lanes.iter().filter(move |lane| lane.bucket.operation == operation);
        let sum = |operation| {
            let share = of(operation).map(|lane| lane.share_in_force).sum();
            (operation, share, of(operation).map(|lane| lane.waiting).sum())
        };
        Operation::ALL.into_iter().map(sum).collect()
    }
}

fn bucket(operation: Operation, arn: &SessionArn) -> Bucket {
    Bucket { account: arn.account.clone(), region: arn.region.clone(), operation }
}
