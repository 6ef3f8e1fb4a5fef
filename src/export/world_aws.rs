//! A simulated GameLift Streams for [`crate::export::world`]: lagging reads, every variant of the unmeasured behaviour.

use crate::aws::failure::FailureClass;
use crate::aws::identifiers::{OutputUri, SessionArn};
use crate::aws::model::{ExportFilesStatus, ExportView, SessionStatus, SessionView};
use crate::export::fixtures::session;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// The destination that a PENDING export shows (unknown (a)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Given,
    Key,
    Nothing,
}

/// The effect of a second call with another URI (unknown (b)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Second {
    Replaces,
    Ignored,
    Refused,
}

#[derive(Debug, Clone)]
struct AwsSession {
    history: Vec<(Instant, SessionView)>,
    asked: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Aws {
    pub(crate) shown: Shown,
    pub(crate) second: Second,
    /// True if SUCCEEDED shows the destination.
    pub(crate) names_result: bool,
    sessions: HashMap<SessionArn, AwsSession>,
    /// Every destination that the operator has requested, by session.
    pub(crate) armed: HashMap<SessionArn, BTreeSet<String>>,
}

/// The object key that AWS derives from a destination.
pub(crate) fn key(uri: &str) -> String {
    if uri.ends_with('/') { format!("{uri}20260102-030405-app-sg-sess.zip") } else { uri.to_owned() }
}

impl Aws {
    pub(crate) fn new(shown: Shown, second: Second, names_result: bool) -> Self {
        Self { shown, second, names_result, sessions: HashMap::new(), armed: HashMap::new() }
    }

    pub(crate) fn starts(&mut self, arn: &SessionArn, status: SessionStatus, at: Instant) {
        let fresh = AwsSession { history: vec![(at, session().in_state(status))], asked: None };
        self.sessions.entry(arn.clone()).or_insert(fresh);
    }

    fn now(&self, arn: &SessionArn) -> SessionView {
        self.sessions[arn].history.last().unwrap().1.clone()
    }

    fn push(&mut self, arn: &SessionArn, view: SessionView, at: Instant) {
        self.sessions.get_mut(arn).unwrap().history.push((at, view));
    }

    /// The destination that AWS will deliver to.
    pub(crate) fn asked(&self, arn: &SessionArn) -> Option<&str> {
        self.sessions[arn].asked.as_deref()
    }

    /// A read that shows the state of `lag` ago.
    pub(crate) fn read(&self, arn: &SessionArn, now: Instant, lag: Duration) -> SessionView {
        let history = &self.sessions[arn].history;
        let snapshot_of = history.iter().rev().find(|(at, _)| *at + lag <= now).or_else(|| history.first());
        snapshot_of.unwrap().1.clone()
    }

    pub(crate) fn moves(&mut self, arn: &SessionArn, status: SessionStatus, at: Instant) {
        let view = self.now(arn);
        if !view.status.is_terminal() {
            self.push(arn, view.in_state(status), at);
        }
    }

    /// Uploads the ZIP after the session's end.
    pub(crate) fn delivers(&mut self, arn: &SessionArn, succeeds: bool, at: Instant) {
        let mut view = self.now(arn);
        let Some(asked) = self.asked(arn).map(str::to_owned) else { return };
        let pending = view.export.as_ref().is_some_and(|export| export.status == ExportFilesStatus::Pending);
        if view.status.is_terminal() && pending {
            let status = if succeeds { ExportFilesStatus::Succeeded } else { ExportFilesStatus::Failed };
            let reason = (!succeeds).then(|| "refused".to_owned());
            view.export = Some(ExportView { status, reason, output_uri: self.names_result.then(|| key(&asked)) });
            self.push(arn, view, at);
        }
    }

    /// Handles ExportStreamSessionFiles.
    pub(crate) fn export(
        &mut self,
        arn: &SessionArn,
        uri: &OutputUri,
        by_operator: bool,
        at: Instant,
    ) -> Result<(), FailureClass> {
        let mut view = self.now(arn);
        if view.status.is_terminal() || view.status == SessionStatus::Activating {
            return Err(FailureClass::Rejected);
        }
        let other = self.asked(arn).is_some_and(|asked| asked != uri.as_str());
        match self.second {
            Second::Refused if other => return Err(FailureClass::Rejected),
            Second::Ignored if other => return Ok(()),
            Second::Replaces | Second::Refused | Second::Ignored => {}
        }
        if by_operator {
            self.armed.entry(arn.clone()).or_default().insert(uri.to_string());
        }
        let output_uri = match self.shown {
            Shown::Given => Some(uri.to_string()),
            Shown::Key => Some(key(uri.as_str())),
            Shown::Nothing => None,
        };
        view.export = Some(ExportView { status: ExportFilesStatus::Pending, reason: None, output_uri });
        self.sessions.get_mut(arn).unwrap().asked = Some(uri.to_string());
        self.push(arn, view, at);
        Ok(())
    }
}
