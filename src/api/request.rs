//! A SessionExport, parsed once: the request, and its recorded status.

use crate::api::policy::POLICY_KIND;
use crate::api::{ExportStatus, GROUP, ReadyWhen, SessionExport, SessionExportSpec, SessionExportStatus};
use crate::aws::identifiers::{
    AccountId, Home, Malformed, OutputUri, Region, SessionArn, StreamGroupIdentifier, StreamSessionIdentifier,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use std::sync::Arc;
use std::time::Duration;

/// The `metadata.uid` of a SessionExport.
pub type Uid = Arc<str>;

/// One SessionExport as the decision sees it.
#[derive(Debug, Clone)]
pub struct Export {
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.namespace`.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `metadata.resourceVersion`; empty if there is none.
    pub resource_version: Box<str>,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.creationTimestamp` (the API server's clock).
    pub created: Timestamp,
    /// The uid of the SessionExportPolicy that controls it; `None` if no policy does.
    pub policy: Option<Uid>,
    /// The parsed spec; an error only if the cluster's CRD is laxer than this program.
    pub request: Result<ExportRequest, Malformed>,
    /// The rest of the spec.
    pub options: Options,
    /// The recorded status.
    pub status: SessionExportStatus,
}

/// The immutable part of a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRequest {
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

impl Export {
    /// Parses a stored object. Returns `None` if it lacks metadata that every stored object has.
    pub fn read(object: SessionExport) -> Option<Self> {
        let SessionExport { metadata: meta, spec, status } = object;
        Some(Self {
            policy: controlling_policy(&meta),
            uid: meta.uid?.into(),
            namespace: meta.namespace?.into(),
            name: meta.name?.into(),
            resource_version: meta.resource_version.unwrap_or_default().into(),
            generation: meta.generation.unwrap_or_default(),
            created: meta.creation_timestamp?.0,
            request: ExportRequest::parse(&spec),
            options: Options::read(&spec),
            status: status.unwrap_or_default(),
        })
    }

    /// The object, for Events.
    pub fn object_ref(&self) -> ObjectReference {
        object_ref::<SessionExport>(&self.namespace, &self.name, &self.uid)
    }

    /// Whether it has finished, either way.
    pub fn finished(&self) -> bool {
        self.status.completion_time.is_some()
    }

    /// Whether AWS's acceptance is recorded.
    pub fn accepted(&self) -> bool {
        self.status.request_time.is_some()
            || matches!(self.status.export_status, Some(ExportStatus::Pending | ExportStatus::Succeeded))
    }

    /// Whether the intent to call or AWS's acceptance is recorded.
    pub fn requested(&self) -> bool {
        self.intended() || self.accepted()
    }

    /// Whether the intent to call is recorded.
    pub fn intended(&self) -> bool {
        self.status.request_attempt_time.is_some()
    }
}

/// An object, for Events.
pub(crate) fn object_ref<K: Resource<DynamicType = ()>>(namespace: &str, name: &str, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into()),
        kind: Some(K::kind(&()).into()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

/// The uid of the policy that controls an object.
pub(crate) fn controlling_policy(meta: &ObjectMeta) -> Option<Uid> {
    let mut owners = meta.owner_references.iter().flatten();
    let is_policy = |owner: &&OwnerReference| {
        let group = owner.api_version.split('/').next();
        owner.controller == Some(true) && owner.kind == POLICY_KIND && group == Some(GROUP)
    };
    owners.find(is_policy).map(|owner| owner.uid.as_str().into())
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

impl ExportRequest {
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

    /// The Region that the spec or an ARN names, or else `default`.
    pub fn region_or<'a>(&'a self, default: &'a Region) -> &'a Region {
        let named = self.homes().next().map(|home| &home.region);
        self.region.as_ref().or(named).unwrap_or(default)
    }

    /// The session's full name.
    pub fn session_arn(&self, region: &Region, account: &AccountId) -> SessionArn {
        SessionArn {
            region: region.clone(),
            account: account.clone(),
            group: self.group.id.clone(),
            session: self.session.id.clone(),
        }
    }
}
