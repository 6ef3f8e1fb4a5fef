//! A SessionExportPolicy, parsed once: what it selects, and the SessionExport that it makes for a session.
//!
//! Owns: the parsed spec, the comparison of a session with the selector, and the manifest of an export.
//! Never: trusts the definition of the cluster: it may be laxer than this program.

use crate::api::policy::export_identity::{export_name, is_in_sample};
use crate::api::policy::export_metadata::{ExportMetadata, is_dns_label};
use crate::api::policy::output_template::{ExpandError, OutputUriTemplate, Placeholder, PlaceholderValues};
use crate::api::policy::spec::{ExportTemplate, SessionSelector};
use crate::api::policy::{MAX_HISTORY, SessionExportPolicy, SessionExportPolicySpec, SessionExportPolicyStatus};
use crate::api::request::{Uid, object_ref};
use crate::api::{MAX_TTL_SECONDS, ReadyWhen, SessionExport, SessionExportSpec};
use crate::aws::identifiers::{
    AccountId, ApplicationId, ApplicationIdentifier, Home, Location, Malformed, OutputUri, Region, SessionArn,
    StreamGroupArn, StreamGroupIdentifier,
};
use crate::aws::model::SessionView;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use std::sync::Arc;

/// One SessionExportPolicy.
#[derive(Debug, Clone)]
pub struct Policy {
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
    /// True if `metadata.deletionTimestamp` is set: the policy makes no more exports.
    pub is_terminating: bool,
    /// The parsed spec; an error only if the cluster's CRD is laxer than this program.
    pub request: Result<PolicyRequest, Malformed>,
    /// The recorded status.
    pub status: SessionExportPolicyStatus,
}

/// The spec of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRequest {
    /// Stream group.
    pub group: StreamGroupIdentifier,
    /// `spec.region`.
    pub region: Option<Region>,
    /// `spec.serviceAccountName`.
    pub service_account: Option<Box<str>>,
    /// `spec.suspend`.
    pub suspend: bool,
    /// `spec.selector`; one without entries selects every session.
    pub selector: Selector,
    /// `spec.samplePercent`: 1 to 100.
    pub sample_percent: u8,
    /// `spec.successfulExportsHistoryLimit`, in objects.
    pub successful_limit: usize,
    /// `spec.failedExportsHistoryLimit`, in objects.
    pub failed_limit: usize,
    /// `spec.template`.
    pub template: Template,
}

/// `spec.selector`. An empty list selects every session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// Applications.
    pub applications: Vec<ApplicationIdentifier>,
    /// Locations.
    pub locations: Vec<Location>,
}

/// `spec.template`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Labels and annotations.
    pub metadata: ExportMetadata,
    /// Destination.
    pub output_uri: OutputUriTemplate,
    /// `readyWhen` of each export.
    pub ready_when: ReadyWhen,
    /// `ttlSecondsAfterFinished` of each export.
    pub ttl_seconds: u32,
}

/// What a policy needs to know about one session. `None`: AWS's answer lacks the value, or has one that this program
/// can't parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// The session.
    pub arn: SessionArn,
    /// The application that is streamed.
    pub application: Option<ApplicationId>,
    /// The location that hosts the session.
    pub location: Option<Location>,
    /// `CreatedAt` (AWS's clock).
    pub created: Option<Timestamp>,
}

impl SessionFacts {
    /// What one of AWS's answers shows about the session.
    pub fn from_view(arn: SessionArn, view: &SessionView) -> Self {
        let application = view.application_arn.as_deref().and_then(|text| text.parse::<ApplicationIdentifier>().ok());
        Self {
            arn,
            application: application.map(|application| application.id),
            location: view.location.as_deref().and_then(|text| text.parse().ok()),
            created: view.created_at.and_then(|created| Timestamp::try_from(created).ok()),
        }
    }
}

/// The result of [`PolicyRequest::select`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// The session matches the selector and is in the sample.
    Selected,
    /// It doesn't match, or is not in the sample.
    NotSelected,
    /// A list of the selector needs this value, and AWS's answer lacks it.
    Unknown(Placeholder),
}

impl Policy {
    /// Parses a stored object. Returns `None` if it lacks metadata that every stored object has.
    pub fn read(object: SessionExportPolicy) -> Option<Self> {
        let SessionExportPolicy { metadata: meta, spec, status } = object;
        let name: Arc<str> = meta.name?.into();
        Some(Self {
            uid: meta.uid?.into(),
            namespace: meta.namespace?.into(),
            resource_version: meta.resource_version.unwrap_or_default().into(),
            generation: meta.generation.unwrap_or_default(),
            created: meta.creation_timestamp?.0,
            is_terminating: meta.deletion_timestamp.is_some(),
            request: check_name(&name).and_then(|()| PolicyRequest::parse(&spec)),
            status: status.unwrap_or_default(),
            name,
        })
    }

    /// The object, for Events.
    pub fn object_ref(&self) -> ObjectReference {
        object_ref::<SessionExportPolicy>(&self.namespace, &self.name, &self.uid)
    }

    /// The order of policies that select the same session: the first takes it.
    pub fn precedence(&self) -> (Timestamp, Uid) {
        (self.created, self.uid.clone())
    }

    /// The destination of one session.
    ///
    /// # Errors
    /// If AWS's answer lacks a value that the template needs, or the destination would be too long.
    pub fn destination_of(&self, template: &Template, facts: &SessionFacts) -> Result<OutputUri, ExpandError> {
        template.output_uri.expand(&PlaceholderValues {
            namespace: &self.namespace,
            policy: &self.name,
            group: &facts.arn.group,
            session: &facts.arn.session,
            application: facts.application.as_ref(),
            location: facts.location.as_ref(),
            created: facts.created,
        })
    }

    /// What every destination of the policy begins with, for the administrator's rules.
    pub fn static_prefix(&self, request: &PolicyRequest) -> String {
        request.template.output_uri.static_prefix(&self.namespace, &self.name, &request.group.id)
    }

    /// The SessionExport of one session, as it is created: its group as ARN, its session as id.
    pub fn export_of(&self, request: &PolicyRequest, session: &SessionArn, uri: &OutputUri) -> SessionExport {
        let template = &request.template;
        let spec = SessionExportSpec {
            stream_group_identifier: session.stream_group().to_string(),
            stream_session_identifier: session.session.to_string(),
            output_uri: uri.to_string(),
            region: request.region.as_ref().map(ToString::to_string),
            service_account_name: request.service_account.as_deref().map(str::to_owned),
            ready_when: template.ready_when,
            suspend: false,
            ttl_seconds_after_finished: Some(template.ttl_seconds),
        };
        let mut export = SessionExport::new(&export_name(&self.name, session), spec);
        export.metadata.namespace = Some(self.namespace.to_string());
        export.metadata.labels = Some(template.metadata.labels_of(&self.name));
        let annotations = template.metadata.annotations();
        export.metadata.annotations = (!annotations.is_empty()).then(|| annotations.clone());
        export.metadata.owner_references = Some(vec![self.owner_reference()]);
        export
    }

    /// The controller reference of each export. Without `blockOwnerDeletion`, which would need the right to update
    /// finalizers of policies where the admission plugin OwnerReferencesPermissionEnforcement is on.
    pub fn owner_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: SessionExportPolicy::api_version(&()).into(),
            kind: SessionExportPolicy::kind(&()).into(),
            name: self.name.to_string(),
            uid: self.uid.to_string(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }
}

fn check_name(name: &str) -> Result<(), Malformed> {
    let accepted = "a DNS label of at most 63 characters";
    if is_dns_label(name) { Ok(()) } else { Err(Malformed { what: "metadata.name", accepted }) }
}

impl PolicyRequest {
    /// Parses the spec; the error names the field and what it accepts.
    ///
    /// # Errors
    /// If a field is outside its grammar or range, or ARNs, group and Region disagree.
    pub fn parse(spec: &SessionExportPolicySpec) -> Result<Self, Malformed> {
        let in_range = |value: u32, most: u32, what, accepted| {
            if value <= most { Ok(value) } else { Err(Malformed { what, accepted }) }
        };
        let history = |value, what| in_range(value, MAX_HISTORY, what, "at most 10000").map(|limit| limit as usize);
        if !(1..=100).contains(&spec.sample_percent) {
            return Err(Malformed { what: "samplePercent", accepted: "from 1 to 100" });
        }
        let request = Self {
            group: spec.stream_group_identifier.parse()?,
            region: spec.region.as_deref().map(str::parse).transpose()?,
            service_account: spec.service_account_name.as_deref().map(Into::into),
            suspend: spec.suspend,
            selector: spec.selector.as_ref().map(Selector::parse).transpose()?.unwrap_or_default(),
            sample_percent: spec.sample_percent,
            successful_limit: history(spec.successful_exports_history_limit, "successfulExportsHistoryLimit")?,
            failed_limit: history(spec.failed_exports_history_limit, "failedExportsHistoryLimit")?,
            template: Template::parse(&spec.template)?,
        };
        request.agree()?;
        Ok(request)
    }

    fn agree(&self) -> Result<(), Malformed> {
        let refused = |what, accepted| Err(Malformed { what, accepted });
        if let (Some(region), Some(home)) = (&self.region, &self.group.home)
            && *region != home.region
        {
            return refused("region", "the Region that the ARN names");
        }
        let mut homes = self.selector.homes();
        if homes.any(|home| self.group.home.as_ref().is_some_and(|of_group| of_group != home)) {
            return refused(APPLICATIONS, "of the Region and account of streamGroupIdentifier");
        }
        if self.selector.homes().any(|home| self.region.as_ref().is_some_and(|region| *region != home.region)) {
            return refused(APPLICATIONS, "of the Region of the spec");
        }
        Ok(())
    }

    /// The account that the group's ARN names.
    pub fn named_account(&self) -> Option<&AccountId> {
        self.group.home.as_ref().map(|home| &home.account)
    }

    /// The Region that the spec or the group's ARN names, or else `default`. ARNs of applications don't count: they may
    /// change, and the Region may not.
    pub fn region_or<'a>(&'a self, default: &'a Region) -> &'a Region {
        let named = self.group.home.as_ref().map(|home| &home.region);
        self.region.as_ref().or(named).unwrap_or(default)
    }

    /// The group's full name.
    pub fn group_arn(&self, region: &Region, account: &AccountId) -> StreamGroupArn {
        StreamGroupArn { region: region.clone(), account: account.clone(), group: self.group.id.clone() }
    }

    /// An application of the selector whose ARN is of another Region or account than the group: it selects nothing. The
    /// definition can't refuse it where group and Region are those of the operator.
    pub fn application_of_other_account_or_region(&self, group: &StreamGroupArn) -> Option<&ApplicationIdentifier> {
        let differs = |home: &Home| home.region != group.region || home.account != group.account;
        self.selector.applications.iter().find(|application| application.home.as_ref().is_some_and(differs))
    }

    /// Whether the policy exports a session: it is in the sample and matches the selector. A session that is not in the
    /// sample is not selected, whatever AWS's answer lacks.
    pub fn select(&self, facts: &SessionFacts) -> Selection {
        if is_in_sample(&facts.arn, self.sample_percent) {
            self.selector.compare(facts)
        } else {
            Selection::NotSelected
        }
    }
}

const APPLICATIONS: &str = "selector.applicationIdentifiers";

impl Selector {
    fn parse(selector: &SessionSelector) -> Result<Self, Malformed> {
        let applications = selector.application_identifiers.iter().map(|text| text.parse());
        let locations = selector.locations.iter().map(|text| text.parse());
        Ok(Self {
            applications: applications.collect::<Result<_, _>>()?,
            locations: locations.collect::<Result<_, _>>()?,
        })
    }

    fn homes(&self) -> impl Iterator<Item = &Home> {
        self.applications.iter().filter_map(|application| application.home.as_ref())
    }

    /// Whether a session matches each list. A list that doesn't match decides also where the value for the other is
    /// missing.
    fn compare(&self, facts: &SessionFacts) -> Selection {
        let is_named = |named: &ApplicationIdentifier, id: &ApplicationId| {
            let is_here = |home: &Home| home.region == facts.arn.region && home.account == facts.arn.account;
            named.id == *id && named.home.as_ref().is_none_or(is_here)
        };
        let application = match &facts.application {
            _ if self.applications.is_empty() => Selection::Selected,
            None => Selection::Unknown(Placeholder::ApplicationId),
            Some(id) if self.applications.iter().any(|named| is_named(named, id)) => Selection::Selected,
            Some(_) => Selection::NotSelected,
        };
        let location = match &facts.location {
            _ if self.locations.is_empty() => Selection::Selected,
            None => Selection::Unknown(Placeholder::Location),
            Some(location) if self.locations.contains(location) => Selection::Selected,
            Some(_) => Selection::NotSelected,
        };
        match (application, location) {
            (Selection::NotSelected, _) | (_, Selection::NotSelected) => Selection::NotSelected,
            (unknown @ Selection::Unknown(_), _) | (Selection::Selected, unknown) => unknown,
        }
    }
}

impl Template {
    fn parse(template: &ExportTemplate) -> Result<Self, Malformed> {
        let ExportTemplate { metadata, spec } = template;
        let metadata =
            metadata.as_ref().map(|of_export| ExportMetadata::parse(&of_export.labels, &of_export.annotations));
        if spec.ttl_seconds_after_finished > MAX_TTL_SECONDS {
            return Err(Malformed { what: "template.spec.ttlSecondsAfterFinished", accepted: "at most a year" });
        }
        Ok(Self {
            metadata: metadata.transpose()?.unwrap_or_default(),
            output_uri: spec.output_uri.parse()?,
            ready_when: spec.ready_when,
            ttl_seconds: spec.ttl_seconds_after_finished,
        })
    }
}
