//! Builders for tests: objects, sessions and moments, in the words of the condition table.

use super::decide::{Authority, Now, Observed};
use super::evidence::{Evidence, Rival, Whose};
use super::memory::{Attempt, Claim, Recollection, Target, Trouble};
use super::request::{Export, Uid};
use super::row::Row;
use super::status::compose;
use crate::api::{ExportStatus, ReadyWhen, SessionExport, SessionExportSpec, SessionExportStatus};
use crate::config::Timing;
use crate::streams::identifiers::{AccountId, Region, SessionArn};
use crate::streams::observation::{ExportFilesStatus, ExportView, FailureClass, SessionStatus, SessionView, Source};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ObjectMeta;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

pub(crate) const GROUP: &str = "sg-1AB2C3De4";
pub(crate) const PREFIX: &str = "s3://bucket/team/";
/// What AWS makes of [`PREFIX`].
pub(crate) const KEY: &str = "s3://bucket/team/20260102-030405-app-sg-1AB2C3De4-sess1.zip";
pub(crate) const ZIP: &str = "s3://bucket/crash.zip";
pub(crate) const FOREIGN: &str = "s3://elsewhere/x/";

pub(crate) fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// The moment at which every test begins.
pub(crate) fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

/// So long after the beginning, on both clocks.
pub(crate) fn at(seconds: u64) -> Now {
    Now { mono: epoch() + secs(seconds), wall: wall(seconds) }
}

pub(crate) fn wall(seconds: u64) -> Timestamp {
    let begin: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    begin.checked_add(jiff::SignedDuration::from_secs(seconds.try_into().unwrap())).unwrap()
}

pub(crate) fn time(seconds: u64) -> Time {
    Time(wall(seconds))
}

pub(crate) fn account() -> AccountId {
    "111122223333".parse().unwrap()
}

pub(crate) fn target(export: &Export) -> Target {
    let request = export.request.as_ref().unwrap();
    let region: Region = "us-west-2".parse().unwrap();
    Target { arn: request.session_arn(&region, &account()), uri: request.uri.clone() }
}

pub(crate) fn arn(session: &str) -> SessionArn {
    target(&export().of_session(session).build()).arn
}

/// An object under construction.
#[derive(Debug, Clone)]
pub(crate) struct ExportBuilder {
    name: String,
    uid: Option<String>,
    spec: SessionExportSpec,
    status: SessionExportStatus,
    rows: Vec<Row>,
}

/// An object called `x` that asks for session `sess1` below [`PREFIX`], created at the beginning.
pub(crate) fn export() -> ExportBuilder {
    ExportBuilder {
        name: "x".to_owned(),
        uid: None,
        spec: SessionExportSpec {
            stream_group_identifier: GROUP.to_owned(),
            stream_session_identifier: "sess1".to_owned(),
            output_uri: PREFIX.to_owned(),
            region: None,
            service_account_name: None,
            ready_when: ReadyWhen::Exported,
            suspend: false,
            ttl_seconds_after_finished: None,
        },
        status: SessionExportStatus::default(),
        rows: Vec::new(),
    }
}

impl ExportBuilder {
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Another incarnation of the same name.
    pub(crate) fn with_uid(mut self, uid: &str) -> Self {
        self.uid = Some(uid.to_owned());
        self
    }

    pub(crate) fn of_session(mut self, session: &str) -> Self {
        self.spec.stream_session_identifier = session.to_owned();
        self
    }

    pub(crate) fn to(mut self, uri: &str) -> Self {
        self.spec.output_uri = uri.to_owned();
        self
    }

    pub(crate) fn suspended(mut self) -> Self {
        self.spec.suspend = true;
        self
    }

    pub(crate) fn ready_when_accepted(mut self) -> Self {
        self.spec.ready_when = ReadyWhen::Accepted;
        self
    }

    pub(crate) fn ttl(mut self, seconds: u32) -> Self {
        self.spec.ttl_seconds_after_finished = Some(seconds);
        self
    }

    pub(crate) fn intended(mut self) -> Self {
        self.status.request_attempt_time = Some(time(0));
        self
    }

    pub(crate) fn accepted(mut self) -> Self {
        self = self.intended();
        self.status.request_time = Some(time(0));
        self.status.export_status = Some(ExportStatus::Pending);
        self
    }

    pub(crate) fn finished(mut self, status: ExportStatus) -> Self {
        self.status.export_status = Some(status);
        self.status.completion_time = Some(time(0));
        self
    }

    /// A status as the operator writes it for this row.
    pub(crate) fn showing(mut self, row: Row) -> Self {
        self.rows.push(row);
        self
    }

    pub(crate) fn build(self) -> Export {
        let object = SessionExport {
            metadata: ObjectMeta {
                uid: Some(self.uid.unwrap_or_else(|| format!("uid-{}", self.name))),
                namespace: Some("team".to_owned()),
                name: Some(self.name),
                generation: Some(1),
                creation_timestamp: Some(time(0)),
                ..ObjectMeta::default()
            },
            spec: self.spec,
            status: Some(self.status),
        };
        let mut export = Export::read(&object).unwrap();
        for row in self.rows {
            export.status = compose(&export, &row, None, None, wall(0));
        }
        export
    }
}

/// A session under construction.
pub(crate) fn session() -> SessionView {
    SessionView {
        status: SessionStatus::Active,
        status_reason: None,
        application_arn: Some("arn:aws:gameliftstreams:us-west-2:111122223333:application/a-1".to_owned()),
        location: Some("us-east-1".to_owned()),
        created_at: Some(SystemTime::from(wall(0))),
        session_length: Some(secs(3600)),
        export: None,
    }
}

impl SessionView {
    pub(crate) fn in_state(mut self, status: SessionStatus) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn exported_to(mut self, uri: Option<&str>, status: ExportFilesStatus) -> Self {
        self.export = Some(ExportView { status, reason: None, output_uri: uri.map(str::to_owned) });
        self
    }
}

/// What the decision is given, with nothing in the way and nothing read.
pub(crate) fn observed() -> Observed {
    Observed {
        authority: Authority::Allowed,
        recollection: Recollection {
            evidence: Evidence::Unread,
            read_at: None,
            view: None,
            last_call: None,
            claim: Claim::None,
            rival: Rival::None,
            twin_intended: false,
            attempt: Attempt::default(),
        },
        turn: false,
        pace: secs(10),
    }
}

impl Observed {
    pub(crate) fn authority(mut self, authority: Authority) -> Self {
        self.authority = authority;
        self
    }

    pub(crate) fn claim(mut self, claim: Claim) -> Self {
        self.recollection.claim = claim;
        self
    }

    pub(crate) fn rival(mut self, rival: Rival) -> Self {
        self.recollection.rival = rival;
        self
    }

    pub(crate) fn turn(mut self) -> Self {
        self.turn = true;
        self
    }

    pub(crate) fn attempt(mut self, set: impl FnOnce(&mut Attempt)) -> Self {
        set(&mut self.recollection.attempt);
        self
    }

    /// Evidence of a read begun at `seconds`.
    pub(crate) fn evidence(mut self, evidence: Evidence, seconds: u64) -> Self {
        self.recollection.read_at = (evidence != Evidence::Unread).then(|| at(seconds).mono);
        self.recollection.view = Some(session());
        self.recollection.evidence = evidence;
        self
    }

    pub(crate) fn live(self, seconds: u64) -> Self {
        self.evidence(Evidence::Empty { status: SessionStatus::Active, ended_since: None }, seconds)
    }
}

/// AWS shows an export.
pub(crate) fn shows(whose: Whose, status: ExportFilesStatus, uri: Option<&str>, source: Source) -> Evidence {
    let shown = ExportView { status, reason: None, output_uri: uri.map(str::to_owned) };
    Evidence::Export { whose, shown, source }
}

pub(crate) fn trouble(class: FailureClass, since: u64, tries: u32, retry_at: u64) -> Trouble {
    Trouble { class, operation: "GetStreamSession", since: at(since).mono, tries, retry_at: at(retry_at).mono }
}

pub(crate) fn uid(name: &str) -> Uid {
    format!("uid-{name}").into()
}

pub(crate) fn timing() -> Timing {
    Timing::default()
}
