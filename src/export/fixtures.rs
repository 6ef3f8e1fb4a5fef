//! Builders for tests: objects, sessions and moments, in the terms of the condition table.

use crate::api::request::{Export, Uid};
use crate::api::{ExportStatus, ReadyWhen, SessionExport, SessionExportSpec, SessionExportStatus};
use crate::authorization::{Authorization, Covered, OperatorIdentity, Target};
use crate::aws::failure::{CallFailure, ErrorAnswer, FailureClass, FailureDetail};
use crate::aws::identifiers::{AccountId, SessionArn};
use crate::aws::model::{ExportFilesStatus, ExportView, ReadSource, SessionStatus, SessionView};
use crate::aws::operation::Operation;
use crate::config::Timing;
use crate::export::decision::{Now, Observed};
use crate::export::status::build_status;
use crate::export::status::row::Row;
use crate::state::ownership::{ConflictingClaim, Observation, Ownership};
use crate::state::{Claim, FailureStreak, RetryState, Snapshot};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ObjectMeta;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

pub(crate) const GROUP: &str = "sg-1AB2C3De4";
pub(crate) const PREFIX: &str = "s3://bucket/team/";
/// A key that AWS derives from [`PREFIX`].
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

/// The moment `seconds` after the beginning, on both clocks.
pub(crate) fn at(seconds: u64) -> Now {
    Now { mono: epoch() + secs(seconds), wall: wall(seconds) }
}

pub(crate) fn wall(seconds: u64) -> Timestamp {
    static BEGIN: LazyLock<Timestamp> = LazyLock::new(|| "2026-01-02T03:04:05Z".parse().unwrap());
    BEGIN.checked_add(jiff::SignedDuration::from_secs(seconds.try_into().unwrap())).unwrap()
}

pub(crate) fn time(seconds: u64) -> Time {
    Time(wall(seconds))
}

pub(crate) fn account() -> AccountId {
    "111122223333".parse().unwrap()
}

/// An operator whose rules are these, in YAML.
pub(crate) fn identity(rules: &str) -> OperatorIdentity {
    OperatorIdentity {
        region: "us-west-2".parse().unwrap(),
        account: Some(account()),
        rules: serde_yaml::from_str(rules).unwrap(),
    }
}

/// Rules that cover every destination in these tests.
pub(crate) const ALL_COVERED: &str = r#"
  - {namespaces: ["*"], streamGroups: ["*"], outputPrefixes: ["s3://bucket/", "s3://elsewhere/", "s3://foreign/"]}"#;

pub(crate) fn authorized(export: Export) -> Authorization {
    static ALL: LazyLock<OperatorIdentity> = LazyLock::new(|| identity(ALL_COVERED));
    ALL.authorize(Arc::new(export), false)
}

/// An object that the rules cover.
pub(crate) fn covered(export: Export) -> Covered {
    match authorized(export) {
        Authorization::Covered(covered) => covered,
        Authorization::Uncovered(export, why) => panic!("{why:?}: {export:?}"),
    }
}

pub(crate) fn target(export: &Export) -> Target {
    Target::clone(covered(export.clone()).target())
}

pub(crate) fn arn(session: &str) -> SessionArn {
    target(&export().of_session(session).build()).arn
}

/// An object under construction.
#[derive(Debug, Clone)]
pub(crate) struct ExportBuilder {
    namespace: String,
    name: String,
    uid: Option<String>,
    spec: SessionExportSpec,
    status: SessionExportStatus,
    rows: Vec<Row>,
}

/// An object named `x` that exports session `sess1` to [`PREFIX`], created at the beginning.
pub(crate) fn export() -> ExportBuilder {
    ExportBuilder {
        namespace: "team".to_owned(),
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
    pub(crate) fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace = namespace.to_owned();
        self
    }

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

    pub(crate) fn of_group(mut self, group: &str) -> Self {
        self.spec.stream_group_identifier = group.to_owned();
        self
    }

    pub(crate) fn in_region(mut self, region: &str) -> Self {
        self.spec.region = Some(region.to_owned());
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
                namespace: Some(self.namespace),
                name: Some(self.name),
                generation: Some(1),
                creation_timestamp: Some(time(0)),
                ..ObjectMeta::default()
            },
            spec: self.spec,
            status: Some(self.status),
        };
        let mut export = Export::read(object).unwrap();
        for row in self.rows {
            export.status = build_status(&export, &row, None, None, wall(0));
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
        log_file_location_uri: None,
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

/// Inputs of the decision with no obstacles and no reads.
pub(crate) fn observed() -> Observed {
    Observed {
        may_request: true,
        snapshot: Snapshot {
            evidence: Observation::Unread,
            read_at: None,
            view: None,
            last_call: None,
            claim: Claim::None,
            rival: ConflictingClaim::None,
            read_in_pause: false,
            twin_intended: false,
            attempt: RetryState::default(),
        },
        has_permit: false,
        poll_interval: secs(10),
    }
}

impl Observed {
    /// Only a rule with `exports: false` covers the object.
    pub(crate) fn retired(mut self) -> Self {
        self.may_request = false;
        self
    }

    pub(crate) fn claim(mut self, claim: Claim) -> Self {
        self.snapshot.claim = claim;
        self
    }

    pub(crate) fn rival(mut self, rival: ConflictingClaim) -> Self {
        self.snapshot.rival = rival;
        self
    }

    /// The read began within a new leader's pause, of a session that another object shares.
    pub(crate) fn in_pause(mut self) -> Self {
        self.snapshot.read_in_pause = true;
        self
    }

    pub(crate) fn has_permit(mut self) -> Self {
        self.has_permit = true;
        self
    }

    pub(crate) fn attempt(mut self, set: impl FnOnce(&mut RetryState)) -> Self {
        set(&mut self.snapshot.attempt);
        self
    }

    /// An observation of a read begun at `seconds`.
    pub(crate) fn evidence(mut self, evidence: Observation, seconds: u64) -> Self {
        self.snapshot.read_at = (evidence != Observation::Unread).then(|| at(seconds).mono);
        self.snapshot.view = Some(session());
        self.snapshot.evidence = evidence;
        self
    }

    pub(crate) fn live(self, seconds: u64) -> Self {
        self.evidence(Observation::Empty { status: SessionStatus::Active, ended_since: None }, seconds)
    }
}

/// AWS shows an export.
pub(crate) fn shows(
    ownership: Ownership,
    status: ExportFilesStatus,
    uri: Option<&str>,
    source: ReadSource,
) -> Observation {
    let shown = ExportView { status, reason: None, output_uri: uri.map(str::to_owned) };
    Observation::Export { ownership, shown, source }
}

pub(crate) fn trouble(class: FailureClass, since: u64, tries: u32, retry_at: u64) -> FailureStreak {
    let (operation, detail) = (Operation::Get, FailureDetail::Unknown);
    FailureStreak {
        class,
        operation,
        detail,
        since: at(since).mono,
        failed_at: at(since).mono,
        tries,
        retry_at: at(retry_at).mono,
    }
}

/// A failure of which nothing but the class is known.
pub(crate) fn failure(operation: Operation, class: FailureClass) -> CallFailure {
    let detail = FailureDetail::Unknown;
    CallFailure { operation, class, http: None, detail, original: None, host: None, request_id: None }
}

/// AWS's words.
pub(crate) fn aws_answer(code: &str, text: &str) -> FailureDetail {
    FailureDetail::Answer(Arc::new(ErrorAnswer { code: code.to_owned(), text: text.to_owned() }))
}

pub(crate) fn uid(name: &str) -> Uid {
    format!("uid-{name}").into()
}

pub(crate) fn timing() -> Timing {
    Timing::default()
}
