//! Sessions made, and changed, by hand: for tests that need many, or need them in a certain state.

use std::sync::Arc;

use serde::Deserialize;

use crate::clock::Millis;
use crate::export::destination;
use crate::identity::Scope;
use crate::service::history::History;
use crate::service::session::{Beginning, Export, ExportStatus, Session, State, Status};
use crate::service::status_reason::StatusReason;
use crate::service::world::{World, new_id};
use crate::wire::request::Start;

/// Sessions to make, all alike.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Seed {
    /// How many; ignored when `ids` are given.
    pub count: u32,
    /// Their ids; random ones when absent.
    pub ids: Vec<String>,
    /// What random ids start with.
    pub prefix: String,
    /// Their group, which must exist; the first one when absent.
    pub group: Option<String>,
    /// Their account; the simulator's own when absent.
    pub account: Option<String>,
    /// Their Region; the first one when absent.
    pub region: Option<String>,
    /// Their status.
    pub status: Status,
    /// Its reason.
    pub status_reason: Option<StatusReason>,
    /// How long ago they were created.
    pub age_seconds: u32,
    /// Their longest life.
    pub session_length_seconds: u32,
    /// How long they wait for a client.
    pub connection_timeout_seconds: u32,
    /// Their application's id.
    pub application: String,
    /// Where they run; their Region when absent.
    pub location: Option<String>,
    /// Whether they end at once when their client leaves, as sessions of stream URLs do.
    pub ends_on_disconnect: bool,
    /// Where the application's log files are uploaded.
    pub log_file_location_uri: Option<String>,
    /// Whether they stay in their status until told otherwise; their length still ends them.
    pub held: bool,
    /// Their export, if it has been asked for.
    pub export: Option<ExportSeed>,
}

impl Default for Seed {
    fn default() -> Self {
        Self {
            count: 1,
            ids: Vec::new(),
            prefix: String::new(),
            group: None,
            account: None,
            region: None,
            status: Status::Active,
            status_reason: None,
            age_seconds: 0,
            session_length_seconds: 86_400,
            connection_timeout_seconds: 120,
            application: "a-9ZY8X7Wv6".to_owned(),
            location: None,
            ends_on_disconnect: false,
            log_file_location_uri: None,
            held: true,
            export: None,
        }
    }
}

/// An export set by hand, for example one that another caller has asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportSeed {
    /// How it stands.
    #[serde(default = "pending")]
    pub status: ExportStatus,
    /// Its URI as given. Without one nothing is ever uploaded.
    #[serde(default)]
    pub output_uri: Option<String>,
    /// The object's URI; worked out from `outputUri` when absent.
    #[serde(default)]
    pub object_uri: Option<String>,
    /// Its StatusReason.
    #[serde(default)]
    pub status_reason: Option<String>,
    /// Whose authority the upload uses.
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// Whether it stays as it is, whatever becomes of the session.
    #[serde(default)]
    pub frozen: bool,
}

fn pending() -> ExportStatus {
    ExportStatus::Pending
}

impl ExportSeed {
    fn build(&self, session: &Session) -> Export {
        let object = self.object_uri.clone().or_else(|| {
            let uri = self.output_uri.as_deref()?;
            Some(if self.status == ExportStatus::Pending {
                destination::object_uri(uri, session)
            } else {
                uri.to_owned()
            })
        });
        Export {
            status: self.status,
            given: self.output_uri.clone(),
            object,
            reason: self.status_reason.clone(),
            access_key_id: self.access_key_id.clone(),
            frozen: self.frozen,
        }
    }
}

/// A change of one session.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Change {
    /// Puts it in this status at once.
    pub status: Option<Status>,
    /// The reason that goes with `status`.
    pub status_reason: Option<StatusReason>,
    /// Lets it end in the ordinary way, by TERMINATING, for this reason.
    pub end: Option<StatusReason>,
    /// Where the application's log files are uploaded, from now on.
    pub log_file_location_uri: Option<String>,
    /// Whether it stays in its status; false lets it go on.
    pub held: Option<bool>,
    /// Its export from now on.
    pub export: Option<ExportSeed>,
    /// Takes its export away.
    pub clear_export: bool,
}

/// Why a session was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeError {
    /// There is none of this id.
    Unknown,
    /// It is not in a state for that.
    Conflict(String),
}

impl From<String> for ChangeError {
    fn from(why: String) -> Self {
        Self::Conflict(why)
    }
}

impl World {
    /// Makes sessions and returns their ids.
    pub fn seed(&mut self, seed: &Seed, default: &Scope, now: Millis) -> Result<Vec<String>, String> {
        let scope = Scope::new(
            seed.account.as_ref().unwrap_or(&default.account),
            seed.region.as_ref().unwrap_or(&default.region),
        );
        let group = self.group_or_first(seed.group.as_deref(), &scope)?;
        check_client(seed.ends_on_disconnect, seed.status)?;
        let ids = seed_ids(seed);
        if let Some(taken) = ids.iter().find(|id| self.by_id(id).is_some()) {
            return Err(format!("there is a session {taken} already"));
        }
        let shared = Shared::of(seed, &scope, &group);
        for id in &ids {
            let session = shared.session(seed, id, now);
            self.insert(session);
        }
        Ok(ids)
    }

    /// The group of this id, which must exist, or the first one.
    pub(super) fn group_or_first(&self, id: Option<&str>, scope: &Scope) -> Result<String, String> {
        let mut known = self.groups().keys().filter(|(of, _)| of == scope).map(|(_, id)| id);
        match id {
            Some(id) => known.find(|known| *known == id).cloned().ok_or_else(|| format!("there is no group {id}")),
            None => known.next().cloned().ok_or_else(|| "there is no group".to_owned()),
        }
    }

    /// Changes one session.
    pub fn change(&mut self, id: &str, change: &Change, now: Millis) -> Result<(), ChangeError> {
        let session = self.by_id(id).ok_or(ChangeError::Unknown)?;
        let status = change.status.filter(|_| change.end.is_none());
        status.map_or(Ok(()), |status| check_client(session.ends_on_disconnect, status))?;
        let seq = session.seq;
        let export = change.export.as_ref().map(|export| export.build(session));
        if let (Some(uri), Some(session)) = (&change.log_file_location_uri, self.sessions.get_mut(&seq)) {
            session.log_file_location_uri = Some(uri.as_str().into());
        }
        if export.is_some() || change.clear_export {
            self.set_export(seq, now, export);
        }
        match (change.end, change.status) {
            (Some(why), _) => self.set_status(seq, now, Status::Terminating, Some(why), false),
            (None, Some(status)) => {
                self.set_status(seq, now, status, change.status_reason, change.held.unwrap_or(true))
            }
            (None, None) => self.hold(seq, change.held, now),
        }
        Ok(())
    }

    /// The client of a session leaves.
    pub fn disconnect(&mut self, id: &str, now: Millis) -> Result<(), ChangeError> {
        let session = self.by_id(id).ok_or(ChangeError::Unknown)?;
        match session.status() {
            Status::Connected | Status::Reconnecting => {}
            status @ (Status::Activating
            | Status::Active
            | Status::PendingClientReconnection
            | Status::Terminating
            | Status::Terminated
            | Status::Error) => {
                return Err(ChangeError::Conflict(format!("a session in {} has no client", status.word())));
            }
        }
        let seq = session.seq;
        self.lose_client(seq, now);
        Ok(())
    }

    /// A released session enters its status again; otherwise all the time held would pass at once.
    fn hold(&mut self, seq: u64, held: Option<bool>, now: Millis) {
        if let (Some(held), Some(session)) = (held, self.sessions.get_mut(&seq)) {
            if session.held && !held {
                let state = *session.state.current();
                session.state.set(now, state);
            }
            session.held = held;
            self.plan(seq);
        }
    }
}

/// A session that ends when its client leaves is never without one.
fn check_client(ends_on_disconnect: bool, status: Status) -> Result<(), String> {
    let is_between = matches!(status, Status::PendingClientReconnection | Status::Reconnecting);
    if ends_on_disconnect && is_between {
        return Err(format!("a session that ends when its client leaves is never in {}", status.word()));
    }
    Ok(())
}

fn seed_ids(seed: &Seed) -> Vec<String> {
    if seed.ids.is_empty() {
        (0..seed.count).map(|_| format!("{}{}", seed.prefix, new_id())).collect()
    } else {
        seed.ids.clone()
    }
}

/// What all sessions of one seed have in common, held once.
struct Shared {
    scope: Arc<Scope>,
    group: Arc<str>,
    application: Arc<str>,
    location: Arc<str>,
    log_file_location_uri: Option<Arc<str>>,
    input: Arc<Start>,
}

impl Shared {
    fn of(seed: &Seed, scope: &Scope, group: &str) -> Self {
        Self {
            location: seed.location.as_ref().unwrap_or(&scope.region).as_str().into(),
            scope: Arc::new(scope.clone()),
            group: group.into(),
            application: seed.application.as_str().into(),
            log_file_location_uri: seed.log_file_location_uri.as_deref().map(Arc::from),
            input: Arc::new(Start::default()),
        }
    }

    fn session(&self, seed: &Seed, id: &str, now: Millis) -> Session {
        let created_at = now - crate::clock::seconds(seed.age_seconds);
        let state = State { status: seed.status, reason: seed.status_reason };
        let mut session = Session::start(Beginning {
            id: id.to_owned(),
            scope: self.scope.clone(),
            group: self.group.clone(),
            application: self.application.clone(),
            location: self.location.clone(),
            created_at,
            connection_timeout_seconds: seed.connection_timeout_seconds,
            length_seconds: seed.session_length_seconds,
            input: self.input.clone(),
        });
        session.activated_at = (seed.status != Status::Activating).then_some(created_at);
        session.connected_at = (seed.status == Status::Connected).then_some(created_at);
        session.state = History::new(created_at, state);
        session.ends_on_disconnect = seed.ends_on_disconnect;
        session.log_file_location_uri.clone_from(&self.log_file_location_uri);
        session.held = seed.held;
        let export = seed.export.as_ref().map(|export| Arc::new(export.build(&session)));
        session.export = History::new(created_at, export);
        session
    }
}
