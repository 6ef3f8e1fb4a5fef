//! Kubernetes Events (events.k8s.io/v1) on transitions.
//!
//! Owns: their shape, their names and the queue in front of them. An Event is named after its object, its position
//! among the object's Events, its reason and note, so the same one is created once within the API server's retention,
//! also by the next leader.
//! Never: blocks or fails the publisher: an Event that finds the queue full, or is refused, is dropped and counted.

#[cfg(test)]
mod tests;

use crate::metrics::Metrics;
use crate::runtime::client::{describe_error, error_class, write_params};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::{Api, Client};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// `reportingController` of every Event.
pub(crate) const CONTROLLER: &str = "sessionexport.dev/operator";
/// `action` of every Event.
pub(crate) const ACTION: &str = "Export";

/// The API server's bound for notes, in bytes.
const MAX_NOTE_BYTES: usize = 1024;
/// The API server's bound for the name of an object, in bytes, less the position and the hash.
const MAX_NAME_BYTES: usize = 253 - 18;
/// Capacity of the queue of unsent Events.
const QUEUE_CAPACITY: usize = 1024;
/// The same Event is not sent again for this long.
const REPEAT_INTERVAL: Duration = Duration::from_secs(600);
/// Capacity of the record of sent Events.
const MAX_RECENTLY_SENT: usize = 8192;

/// The `type` of an Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EventKind {
    /// As expected.
    Normal,
    /// A person has to act, or an export is lost.
    Warning,
}

impl EventKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// An Event's position among those of its object. `kubectl describe` sorts Events by a time stamp that those of
/// events.k8s.io/v1 must not have, and so shows them in the order of their names: the position is part of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EventOrder {
    /// A person must act.
    Trouble,
    /// AWS has accepted the export.
    Acceptance,
    /// The export has finished.
    End,
}

impl EventOrder {
    const fn order_number(self) -> u8 {
        match self {
            Self::Trouble => 1,
            Self::Acceptance => 2,
            Self::End => 3,
        }
    }
}

/// One Event to be published.
#[derive(Debug, Clone)]
pub(crate) struct ExportEvent {
    /// The object; name, namespace and uid are needed.
    pub regarding: ObjectReference,
    /// Normal or Warning.
    pub kind: EventKind,
    /// Its position among the object's Events.
    pub chapter: EventOrder,
    /// The condition's reason.
    pub reason: &'static str,
    /// For a person; cut to 1024 bytes.
    pub note: String,
}

impl ExportEvent {
    fn content_key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.regarding.uid, self.kind, self.chapter, self.reason, &self.note).hash(&mut hasher);
        hasher.finish()
    }
}

/// Queues Events to publish. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct EventRecorder {
    queue: mpsc::Sender<ExportEvent>,
    metrics: Metrics,
}

impl EventRecorder {
    /// A recorder, and the publisher that has to be run beside it. `client` is the Events' own (`events_client`);
    /// `instance` is the identity of this replica.
    #[must_use]
    pub(crate) fn new(client: Client, instance: &str, metrics: Metrics) -> (Self, EventPublisher) {
        let (queue, waiting) = mpsc::channel(QUEUE_CAPACITY);
        let worker = EventPublisher {
            client,
            instance: truncate(instance, 128).to_owned(),
            metrics: metrics.clone(),
            waiting,
            sent: RecentlySent::default(),
            trouble: None,
        };
        (Self { queue, metrics }, worker)
    }

    /// Queues `event`, or drops it if the queue is full. Never blocks.
    pub(crate) fn publish(&self, event: ExportEvent) {
        if self.queue.try_send(event).is_err() {
            self.metrics.record_event_dropped();
        }
    }
}

/// Sends the queued Events, one after the other.
pub(crate) struct EventPublisher {
    /// The API server, on the Events' own connections.
    client: Client,
    /// `reportingInstance`: the identity of this replica, at most 128 bytes.
    instance: String,
    /// Counters of dropped Events and failed requests.
    metrics: Metrics,
    /// The queue.
    waiting: mpsc::Receiver<ExportEvent>,
    /// Suppresses repetitions.
    sent: RecentlySent,
    /// The class of the last error logged, so that each change of class is logged once.
    trouble: Option<&'static str>,
}

impl EventPublisher {
    /// Runs until every recorder is dropped and the queue is empty, or until the future is dropped.
    pub(crate) async fn run(mut self) {
        while let Some(event) = self.waiting.recv().await {
            let key = event.content_key();
            if self.sent.is_new(key, Instant::now()) && !self.send_event(key, &event).await {
                self.metrics.record_event_dropped();
            }
        }
    }

    async fn send_event(&mut self, key: u64, event: &ExportEvent) -> bool {
        let event = build_event(key, event, &self.instance, Timestamp::now());
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        match Api::namespaced(self.client.clone(), &namespace).create(&write_params(), &event).await {
            Ok(_) => {
                self.trouble = None;
                true
            }
            // An earlier process or another leader has created it.
            Err(kube::Error::Api(status)) if status.is_already_exists() => true,
            Err(error) => {
                self.note_trouble(&error);
                false
            }
        }
    }

    /// Logs once for each change of the error's class: the namespace may be terminating, or a permission missing.
    fn note_trouble(&mut self, error: &kube::Error) {
        let kind = error_class(error);
        self.metrics.record_kube_error(kind);
        if self.trouble != Some(kind) {
            let error = describe_error(error);
            tracing::warn!(error, "Event not published; further ones of this kind are only counted");
            self.trouble = Some(kind);
        }
    }
}

fn build_event(key: u64, event: &ExportEvent, instance: &str, now: Timestamp) -> Event {
    let object = event.regarding.name.as_deref().unwrap_or_default();
    let stem = truncate(object, MAX_NAME_BYTES).trim_end_matches(['.', '-']);
    let metadata = ObjectMeta {
        name: Some(format!("{stem}.{}{key:016x}", event.chapter.order_number())),
        namespace: Some(event.regarding.namespace.clone().unwrap_or_else(|| "default".to_owned())),
        ..ObjectMeta::default()
    };
    Event {
        metadata,
        event_time: Some(MicroTime(now)),
        action: Some(ACTION.to_owned()),
        reason: Some(event.reason.to_owned()),
        note: Some(truncate(&event.note, MAX_NOTE_BYTES).to_owned()),
        type_: Some(event.kind.as_str().to_owned()),
        regarding: Some(event.regarding.clone()),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..Event::default()
    }
}

/// The longest start of `text` that has at most `bytes` bytes.
fn truncate(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Content keys of the Events sent within [`REPEAT_INTERVAL`], with the time of sending.
#[derive(Debug, Default)]
struct RecentlySent(HashMap<u64, Instant>);

impl RecentlySent {
    /// Returns whether the Event was not sent within [`REPEAT_INTERVAL`], and records it as sent now.
    fn is_new(&mut self, key: u64, now: Instant) -> bool {
        let lately = |sent: &Instant| now < *sent + REPEAT_INTERVAL;
        if self.0.get(&key).is_some_and(lately) {
            return false;
        }
        if self.0.len() >= MAX_RECENTLY_SENT {
            self.0.retain(|_, sent| lately(sent));
        }
        if self.0.len() >= MAX_RECENTLY_SENT {
            self.0.clear();
        }
        self.0.insert(key, now);
        true
    }
}
