//! The requests of policies to the API server, and what their answers mean.

use crate::api::SessionExport;
use crate::api::policy::request::Policy;
use crate::api::policy::{PolicyReason, SessionExportPolicy};
use crate::api::request::controlling_policy;
use crate::export::status::message::printable_text;
use crate::policy::controller::PolicyController;
use crate::policy::creation::{Creation, CreationOutcome};
use crate::policy::owned_exports::FinishedExport;
use crate::policy::registry::StatusChange;
use crate::policy::row::{PolicyProgress, PolicyRow};
use crate::runtime::client::{FIELD_MANAGER, describe_error, error_class, write_params};
use crate::runtime::events::{EventKind, EventOrder, ExportEvent};
use crate::runtime::patch::merge_patch;
use crate::runtime::received::Received;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::{Request, Status};
use kube::{Api, Resource};
use std::sync::Arc;
use tokio::time::Instant;

impl PolicyController {
    /// Creates an object, unless the leader term is over.
    pub(super) async fn create(&self, creation: &Creation) -> CreationOutcome {
        if !self.fence.holds(Instant::now()) {
            return CreationOutcome::Failed;
        }
        let url = SessionExport::url_path(&(), Some(&creation.policy.namespace));
        let body = match serde_json::to_vec(&creation.object()) {
            Ok(body) => body,
            Err(error) => return CreationOutcome::Refused(error.to_string()),
        };
        let made = match Request::new(url).create(&write_params(), body) {
            Ok(request) => self.kube.request::<Received<SessionExport>>(request).await,
            Err(error) => Err(kube::Error::BuildRequest(error)),
        };
        match made {
            Ok(object) => CreationOutcome::Made { uid: object.identity().uid.as_deref().map(Into::into) },
            Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => {
                self.examine_namesake(creation).await
            }
            Err(kube::Error::Api(status)) if is_terminating(&status) => CreationOutcome::NotYet,
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 403 | 422) => {
                CreationOutcome::Refused(printable_text(&status.message))
            }
            Err(error) => self.fail("creation", creation, &error),
        }
    }

    /// An object of this name exists: whose is it?
    async fn examine_namesake(&self, creation: &Creation) -> CreationOutcome {
        let exports: Api<Received<SessionExport>> = Api::namespaced(self.kube.clone(), &creation.policy.namespace);
        let found = match exports.get_opt(&creation.name()).await {
            Ok(Some(found)) => found,
            Ok(None) => return CreationOutcome::NotYet,
            Err(error) => return self.fail("read", creation, &error),
        };
        let Ok(object) = found.decode() else { return CreationOutcome::NameTaken };
        match controlling_policy(&object.metadata) {
            _ if object.metadata.deletion_timestamp.is_some() => CreationOutcome::NotYet,
            Some(uid) if uid == creation.policy.uid => CreationOutcome::Made { uid: None },
            // A policy of this name that is gone, or going: the garbage collector deletes its objects.
            Some(_) => CreationOutcome::NotYet,
            None => CreationOutcome::NameTaken,
        }
    }

    fn fail(&self, doing: &str, creation: &Creation, error: &kube::Error) -> CreationOutcome {
        self.metrics.record_kube_error(error_class(error));
        let (namespace, policy) = (&*creation.policy.namespace, &*creation.policy.name);
        tracing::warn!(namespace, policy, "{doing} of a SessionExport failed: {}", describe_error(error));
        CreationOutcome::Failed
    }

    /// Publishes that a name is taken.
    pub(super) fn tell_name_taken(&self, creation: &Creation) {
        let note = format!(
            "SessionExport {} exists and is not this policy's. It is left alone, and its session with it.",
            creation.name()
        );
        self.events.publish(ExportEvent {
            regarding: creation.policy.object_ref(),
            kind: EventKind::Warning,
            chapter: EventOrder::Trouble,
            reason: "NameTaken",
            note,
        });
    }

    /// Writes a status. Returns the policy as written.
    pub(super) async fn write_status(&self, change: StatusChange) -> Option<Arc<Policy>> {
        let StatusChange { policy, status, entered } = change;
        let patch = merge_patch(&policy.status, &status).ok()?;
        let version = Some(&policy.resource_version).filter(|version| !version.is_empty());
        let body = serde_json::json!({
            "metadata": {"uid": &*policy.uid, "resourceVersion": version},
            "status": patch,
        });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let policies: Api<Received<SessionExportPolicy>> = Api::namespaced(self.kube.clone(), &policy.namespace);
        match policies.patch_status(&policy.name, &params, &Patch::Merge(body)).await {
            Ok(answer) => {
                self.metrics.record_status_write("written");
                if let Some(row) = &entered {
                    self.tell_row(&policy, row);
                }
                Policy::read(answer.decode().ok()?).map(Arc::new)
            }
            // The watch shows the newer version, or that it is gone.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                self.metrics.record_status_write("conflict");
                None
            }
            Err(error) => {
                self.metrics.record_status_write(error_class(&error));
                let (namespace, name) = (&*policy.namespace, &*policy.name);
                tracing::warn!(namespace, name, "the status of a policy can't be written: {}", describe_error(&error));
                None
            }
        }
    }

    fn tell_row(&self, policy: &Policy, row: &PolicyRow) {
        let (namespace, name, reason) = (&*policy.namespace, &*policy.name, row.reason());
        tracing::info!(namespace, name, uid = &*policy.uid, reason = reason.as_str(), "{}", row.message());
        if reason == PolicyReason::Discovering {
            return;
        }
        let kind = match row.progress() {
            PolicyProgress::Ready => EventKind::Normal,
            PolicyProgress::Reconciling | PolicyProgress::Stalled => EventKind::Warning,
        };
        let (regarding, reason, note) = (policy.object_ref(), reason.as_str(), row.message());
        self.events.publish(ExportEvent { regarding, kind, chapter: EventOrder::Trouble, reason, note });
    }

    /// Deletes a finished object beyond a history limit. Returns whether it is gone.
    pub(super) async fn delete(&self, export: &FinishedExport) -> bool {
        let preconditions = Preconditions { uid: Some(export.uid.to_string()), resource_version: None };
        let params = DeleteParams::default().preconditions(preconditions);
        let url = SessionExport::url_path(&(), Some(&export.namespace));
        let deleted = match Request::new(url).delete(&export.name, &params) {
            Ok(request) => self.kube.request_text(request).await,
            Err(error) => Err(kube::Error::BuildRequest(error)),
        };
        let (namespace, name) = (&*export.namespace, &*export.name);
        match deleted {
            Ok(_) => {
                tracing::info!(namespace, name, "deleted: its policy's history limit is reached");
                true
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => true,
            Err(error) => {
                self.metrics.record_kube_error(error_class(&error));
                tracing::warn!(namespace, name, "a finished export can't be deleted: {}", describe_error(&error));
                false
            }
        }
    }
}

/// True if the namespace is being deleted.
fn is_terminating(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}
