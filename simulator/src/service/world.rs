//! All groups and sessions, and everything that can be done to them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use crate::behaviour::Switches;
use crate::clock::{Clock, Millis};
use crate::identity::Scope;
use crate::journal::{Event, Journal, Kind};
use crate::service::arrivals::Arrivals;
use crate::service::group::Group;
use crate::service::session::{Beginning, Export, ExportStatus, Session, State, Status, after};
use crate::service::status_reason::StatusReason;
use crate::wire::error::ApiError;
use crate::wire::request::Start;
use crate::wire::route::bare_id;

type GroupKey = (Scope, String);

/// The state of the service.
pub struct World {
    pub(super) groups: BTreeMap<GroupKey, Group>,
    pub(super) sessions: BTreeMap<u64, Session>,
    pub(super) by_id: HashMap<String, u64>,
    tokens: HashMap<(GroupKey, String), u64>,
    pub(super) arrivals: BTreeMap<u64, Arrivals>,
    pub(super) agenda: BinaryHeap<Reverse<(Millis, u64, u32)>>,
    pub(super) switches: Switches,
    last_seq: u64,
    clock: Arc<Clock>,
    journal: Arc<Journal>,
}

impl World {
    /// A service without groups.
    #[must_use]
    pub fn new(switches: Switches, clock: Arc<Clock>, journal: Arc<Journal>) -> Self {
        Self {
            groups: BTreeMap::new(),
            sessions: BTreeMap::new(),
            by_id: HashMap::new(),
            tokens: HashMap::new(),
            arrivals: BTreeMap::new(),
            agenda: BinaryHeap::new(),
            switches,
            last_seq: 0,
            clock,
            journal,
        }
    }

    /// Adds a group, or sets the applications of one.
    pub fn add_group(&mut self, scope: &Scope, id: &str, applications: Vec<String>) {
        self.groups.entry((scope.clone(), id.to_owned())).or_default().applications = applications;
    }

    /// The groups.
    #[must_use]
    pub fn groups(&self) -> &BTreeMap<GroupKey, Group> {
        &self.groups
    }

    /// The switches.
    #[must_use]
    pub fn switches(&self) -> &Switches {
        &self.switches
    }

    /// Sets the switches; what sessions had planned is planned again.
    pub fn set_switches(&mut self, switches: Switches) {
        self.switches = switches;
        let all: Vec<u64> = self.sessions.keys().copied().collect();
        for seq in all {
            self.plan(seq);
        }
    }

    /// Whether a group exists.
    #[must_use]
    pub fn group(&self, scope: &Scope, id: &str) -> Option<&Group> {
        self.groups.get(&(scope.clone(), id.to_owned()))
    }

    /// The session that is readable under this id in this group.
    #[must_use]
    pub fn find(&self, scope: &Scope, group: &str, id: &str, now: Millis) -> Option<&Session> {
        let session = self.by_id(id)?;
        let readable = after(session.created_at, self.switches.of(id).new_session_lag_ms) <= now;
        (*session.scope == *scope && *session.group == *group && readable).then_some(session)
    }

    /// The session of this id, wherever it is.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Session> {
        self.sessions.get(self.by_id.get(id)?)
    }

    /// The session of this number.
    #[must_use]
    pub fn by_seq(&self, seq: u64) -> Option<&Session> {
        self.sessions.get(&seq)
    }

    /// Every session.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// Starts a session. The same client token returns the same session, and a ConflictException
    /// when the rest of the request differs.
    pub fn start(&mut self, scope: &Scope, group: &str, input: Start, now: Millis) -> Result<&Session, ApiError> {
        let key = (scope.clone(), group.to_owned());
        let token = input.client_token.clone().map(|token| (key, token));
        if let Some(session) = token.as_ref().and_then(|t| self.sessions.get(self.tokens.get(t)?)) {
            if *session.input != input {
                return Err(ApiError::conflict("The client token was used with other parameters."));
            }
            let seq = session.seq;
            return self.sessions.get(&seq).ok_or_else(gone);
        }
        let session = new_session(scope, group, input, now);
        let seq = self.insert(session);
        if let Some(token) = token {
            self.tokens.insert(token, seq);
        }
        self.sessions.get(&seq).ok_or_else(gone)
    }

    /// Takes in a session that is complete but for its number, and returns that.
    pub(super) fn insert(&mut self, mut session: Session) -> u64 {
        self.last_seq += 1;
        let seq = self.last_seq;
        session.seq = seq;
        self.groups.entry(key_of(&session)).or_default().add(&session);
        self.by_id.insert(session.id.clone(), seq);
        self.note_state(&session, None);
        self.sessions.insert(seq, session);
        self.plan(seq);
        seq
    }

    /// Ends a session, as TerminateStreamSession does.
    pub fn terminate(&mut self, id: &str, now: Millis) -> Result<(), ApiError> {
        let session = self.by_id(id).ok_or_else(gone)?;
        let (seq, status) = (session.seq, session.status());
        match status {
            Status::Activating => Err(ApiError::validation(format!(
                "Stream session {id} is in ACTIVATING status and cannot be terminated."
            ))),
            Status::Terminating | Status::Terminated | Status::Error => Ok(()),
            Status::Active | Status::Connected | Status::PendingClientReconnection | Status::Reconnecting => {
                self.set_status(seq, now, Status::Terminating, Some(StatusReason::ApiTerminated), false);
                Ok(())
            }
        }
    }

    /// Sets a session's status.
    pub(super) fn set_status(
        &mut self,
        seq: u64,
        at: Millis,
        status: Status,
        reason: Option<StatusReason>,
        held: bool,
    ) {
        let Some(session) = self.sessions.get_mut(&seq) else { return };
        let from = session.status();
        if let Some(group) = self.groups.get_mut(&key_of(session)) {
            group.move_status(seq, from, status);
        }
        session.state.set(at, State { status, reason });
        session.held = held;
        if status == Status::Active {
            session.activated_at.get_or_insert(at);
        }
        if status == Status::Connected {
            session.connected_at.get_or_insert(at);
        }
        self.note_seq(seq, Some(from));
        self.plan(seq);
    }

    /// The client has gone: it may come back, unless the session ends with it. That such an end's reason is
    /// reconnectionTimeout is a guess: AWS documents that there is no reconnection, not the reason.
    pub(super) fn lose_client(&mut self, seq: u64, at: Millis) {
        let Some(session) = self.sessions.get(&seq) else { return };
        let (status, reason) = if session.ends_on_disconnect {
            (Status::Terminating, Some(StatusReason::ReconnectionTimeout))
        } else {
            (Status::PendingClientReconnection, None)
        };
        self.set_status(seq, at, status, reason, false);
    }

    /// Sets a session's export.
    pub(super) fn set_export(&mut self, seq: u64, at: Millis, export: Option<Export>) {
        let Some(session) = self.sessions.get_mut(&seq) else { return };
        let from = session.export_status();
        session.export.set(at, export.map(Arc::new));
        if let Some(group) = self.groups.get_mut(&key_of(session)) {
            group.move_export(seq, from, session.export_status());
        }
        if let Some(session) = self.sessions.get(&seq) {
            self.note_export(session, from.map(ExportStatus::word));
        }
        self.plan(seq);
    }

    fn note_seq(&self, seq: u64, from: Option<Status>) {
        if let Some(session) = self.sessions.get(&seq) {
            self.note_state(session, from);
        }
    }

    fn note_state(&self, session: &Session, from: Option<Status>) {
        let state = session.state.current();
        let event = Event {
            from: from.map(|status| status.word().to_owned()),
            to: Some(state.status.word().to_owned()),
            reason: state.reason.map(|reason| reason.word().to_owned()),
            ..about(session)
        };
        self.journal.write(Kind::Session, self.clock.since_start(), event);
    }

    fn note_export(&self, session: &Session, from: Option<&str>) {
        let export = session.export.current().as_deref();
        let event = Event {
            from: from.map(str::to_owned),
            to: export.map(|export| export.status.word().to_owned()),
            reason: export.and_then(|export| export.reason.clone()),
            output_uri: export.and_then(|export| export.object.clone().or_else(|| export.given.clone())),
            ..about(session)
        };
        self.journal.write(Kind::Export, self.clock.since_start(), event);
    }
}

/// Where a session's group is.
pub(super) fn key_of(session: &Session) -> GroupKey {
    ((*session.scope).clone(), session.group.to_string())
}

fn about(session: &Session) -> Event {
    Event {
        account: Some(session.scope.account.clone()),
        region: Some(session.scope.region.clone()),
        group: Some(session.group.to_string()),
        session: Some(session.id.clone()),
        ..Event::default()
    }
}

/// Only for a session that vanished between two looks at it under one lock, which cannot be.
pub(super) fn gone() -> ApiError {
    ApiError::server(500, "InternalServerException")
}

fn new_session(scope: &Scope, group: &str, input: Start, now: Millis) -> Session {
    let application = input.application_identifier.as_deref().map_or("", bare_id);
    let location = input.locations.as_ref().and_then(|list| list.first());
    Session::start(Beginning {
        id: new_id(),
        scope: Arc::new(scope.clone()),
        group: group.into(),
        application: application.into(),
        location: location.unwrap_or(&scope.region).as_str().into(),
        created_at: now,
        connection_timeout_seconds: whole(input.connection_timeout_seconds, 120),
        length_seconds: whole(input.session_length_seconds, 43_200),
        input: Arc::new(input),
    })
}

fn whole(value: Option<i64>, default: u32) -> u32 {
    value.and_then(|value| u32::try_from(value).ok()).unwrap_or(default)
}

/// An id like AWS's `ABC123def4567`.
#[must_use]
pub fn new_id() -> String {
    format_id(uuid::Uuid::new_v4().as_u128())
}

/// The id that these bits stand for.
pub(super) fn format_id(bits: u128) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = bits;
    let mut id = String::with_capacity(13);
    for _ in 0..13 {
        id.push(char::from(ALPHABET[usize::try_from(rest % 62).unwrap_or(0)]));
        rest /= 62;
    }
    id
}
