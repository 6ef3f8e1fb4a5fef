//! A SessionExport, parsed once: what is asked for, and what has been recorded of it so far.

use crate::api::{ExportStatus, ReadyWhen, SessionExport, SessionExportSpec, SessionExportStatus};
use crate::operator::received::Decode;
use crate::streams::identifiers::{
    AccountId, Home, Malformed, OutputUri, Region, SessionArn, StreamGroupIdentifier, StreamSessionIdentifier,
};
use jiff::Timestamp;
use kube::core::ObjectMeta;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// The `metadata.uid` of a SessionExport.
pub type Uid = Arc<str>;

/// One SessionExport as the decision sees it.
#[derive(Debug, Clone)]
pub struct Export {
    /// Who it is.
    pub uid: Uid,
    /// Where it lives.
    pub namespace: Arc<str>,
    /// What it is called there.
    pub name: Arc<str>,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.creationTimestamp` (the API server's clock).
    pub created: Timestamp,
    /// What is asked for; an error only if the cluster's CRD is laxer than this program.
    pub request: Result<Request, Malformed>,
    /// Edits that stay possible after creation.
    pub options: Options,
    /// What has been recorded.
    pub status: SessionExportStatus,
}

/// The immutable part of a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Stream group.
    pub group: StreamGroupIdentifier,
    /// Stream session.
    pub session: StreamSessionIdentifier,
    /// Destination.
    pub uri: OutputUri,
    /// `spec.region`.
    pub region: Option<Region>,
    /// True if `spec.serviceAccountName` is set.
    pub as_service_account: bool,
}

/// The rest of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// `spec.readyWhen`.
    pub ready_when: ReadyWhen,
    /// `spec.suspend`.
    pub suspend: bool,
    /// `spec.ttlSecondsAfterFinished`.
    pub ttl: Option<Duration>,
}

impl Decode for SessionExport {
    fn decode(metadata: ObjectMeta, json: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Content {
            spec: SessionExportSpec,
            #[serde(default)]
            status: Option<SessionExportStatus>,
        }
        let Content { spec, status } = serde_json::from_str(json)?;
        Ok(Self { metadata, spec, status })
    }
}

impl Export {
    /// Reads an object that the API server has stored. `None` if it lacks what every stored object has.
    pub fn read(object: &SessionExport) -> Option<Self> {
        let meta = &object.metadata;
        Some(Self {
            uid: meta.uid.as_deref()?.into(),
            namespace: meta.namespace.as_deref()?.into(),
            name: meta.name.as_deref()?.into(),
            generation: meta.generation.unwrap_or_default(),
            created: meta.creation_timestamp.as_ref()?.0,
            request: Request::parse(&object.spec),
            options: Options::read(&object.spec),
            status: object.status.clone().unwrap_or_default(),
        })
    }

    /// Finished, either way.
    pub fn finished(&self) -> bool {
        self.status.completion_time.is_some()
    }

    /// AWS's acceptance is on record.
    pub fn accepted(&self) -> bool {
        self.status.request_time.is_some()
            || matches!(self.status.export_status, Some(ExportStatus::Pending | ExportStatus::Succeeded))
    }

    /// The intent to call is on record.
    pub fn intended(&self) -> bool {
        self.status.request_attempt_time.is_some()
    }
}

impl Options {
    fn read(spec: &SessionExportSpec) -> Self {
        Self {
            ready_when: spec.ready_when,
            suspend: spec.suspend,
            ttl: spec.ttl_seconds_after_finished.map(|s| Duration::from_secs(s.into())),
        }
    }
}

impl Request {
    /// Parses the spec; the error names the field and what it accepts.
    ///
    /// # Errors
    /// If a field is outside its grammar, or ARN, group and region disagree.
    pub fn parse(spec: &SessionExportSpec) -> Result<Self, Malformed> {
        let request = Self {
            group: spec.stream_group_identifier.parse()?,
            session: spec.stream_session_identifier.parse()?,
            uri: spec.output_uri.parse()?,
            region: spec.region.as_deref().map(str::parse).transpose()?,
            as_service_account: spec.service_account_name.is_some(),
        };
        request.agree()?;
        Ok(request)
    }

    fn agree(&self) -> Result<(), Malformed> {
        if self.session.group.as_ref().is_some_and(|group| *group != self.group.id) {
            return Err(Malformed {
                what: "streamSessionIdentifier",
                accepted: "an ARN of a session in the stream group that streamGroupIdentifier names",
            });
        }
        if let (Some(group), Some(session)) = (&self.group.home, &self.session.home)
            && group != session
        {
            return Err(Malformed {
                what: "streamSessionIdentifier",
                accepted: "an ARN of the same Region and account as streamGroupIdentifier",
            });
        }
        if self.region.as_ref().is_some_and(|region| self.homes().any(|home| home.region != *region)) {
            return Err(Malformed { what: "region", accepted: "the Region that the ARN names" });
        }
        Ok(())
    }

    fn homes(&self) -> impl Iterator<Item = &Home> {
        self.group.home.iter().chain(self.session.home.iter())
    }

    /// The account that an ARN names.
    pub fn named_account(&self) -> Option<&AccountId> {
        self.homes().next().map(|home| &home.account)
    }

    /// The session's full name, given what the operator assumes where the request is silent.
    pub fn session_arn(&self, default_region: &Region, account: &AccountId) -> SessionArn {
        let named = self.homes().next().map(|home| &home.region);
        SessionArn {
            region: self.region.as_ref().or(named).unwrap_or(default_region).clone(),
            account: account.clone(),
            group: self.group.id.clone(),
            session: self.session.id.clone(),
        }
    }
}
