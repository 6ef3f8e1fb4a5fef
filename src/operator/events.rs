//! Kubernetes Events (events.k8s.io/v1) on transitions.
//!
//! Owns their shape, their names and the queue in front of them. Publishing never waits and never fails: what is too
//! much, or refused, is dropped and counted. An Event is named after its object, its place in the object's story, its
//! reason and note, so the same one is made once within the API server's retention, also by the next leader.

use super::client::{error_class, sentence, write_params};
use super::metrics::Metrics;
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
pub const CONTROLLER: &str = "sessionexport.dev/operator";
/// `action` of every Event.
pub const ACTION: &str = "Export";

/// The API server's bound for notes, in bytes.
const NOTE: usize = 1024;
/// The API server's bound for the name of an object, in bytes, less the place and the hash.
const NAME: usize = 253 - 18;
/// Events that wait to be sent.
const QUEUE: usize = 1024;
/// The same Event is not sent again for this long.
const QUIET: Duration = Duration::from_secs(600);
/// How many sent Events are remembered.
const REMEMBERED: usize = 8192;

/// Whether somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// As expected.
    Normal,
    /// Somebody has to act, or an export is lost.
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

/// An Event's place in the story of its object. `kubectl describe` sorts Events by a time stamp that those of
/// events.k8s.io/v1 must not have, and so shows them in the order of their names: the place is part of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chapter {
    /// Somebody must act.
    Trouble,
    /// AWS has promised.
    Promise,
    /// It is over.
    End,
}

impl Chapter {
    const fn number(self) -> u8 {
        match self {
            Self::Trouble => 1,
            Self::Promise => 2,
            Self::End => 3,
        }
    }
}

/// One Event to be published.
#[derive(Debug, Clone)]
pub struct ExportEvent {
    /// The object; name, namespace and uid are needed.
    pub regarding: ObjectReference,
    /// Normal or Warning.
    pub kind: EventKind,
    /// Where it stands among the object's Events.
    pub chapter: Chapter,
    /// The condition's reason.
    pub reason: &'static str,
    /// For a person; cut to 1024 bytes.
    pub note: String,
}

impl ExportEvent {
    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.regarding.uid, self.kind, self.chapter, self.reason, &self.note).hash(&mut hasher);
        hasher.finish()
    }
}

/// Takes Events to publish. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventSink {
    queue: mpsc::Sender<ExportEvent>,
    metrics: Metrics,
}

impl EventSink {
    /// A sink, and the worker that has to be run beside it. `client` is the Events' own (`events_client`);
    /// `instance` is the identity of this replica.
    #[must_use]
    pub fn new(client: Client, instance: &str, metrics: Metrics) -> (Self, EventWorker) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let worker = EventWorker {
            client,
            instance: cut(instance, 128).to_owned(),
            metrics: metrics.clone(),
            waiting,
            sent: Sent::default(),
            trouble: None,
        };
        (Self { queue, metrics }, worker)
    }

    /// Publishes `event` some time soon, or drops it. Never waits.
    pub fn publish(&self, event: ExportEvent) {
        if self.queue.try_send(event).is_err() {
            self.metrics.event_dropped();
        }
    }
}

/// Sends what the sinks take in, one after the other.
pub struct EventWorker {
    client: Client,
    instance: String,
    metrics: Metrics,
    waiting: mpsc::Receiver<ExportEvent>,
    sent: Sent,
    trouble: Option<&'static str>,
}

impl EventWorker {
    /// Works until every sink is dropped and the queue is empty, or until it is dropped itself.
    pub async fn run(mut self) {
        while let Some(event) = self.waiting.recv().await {
            let key = event.key();
            if self.sent.is_new(key, Instant::now()) && !self.send(key, &event).await {
                self.metrics.event_dropped();
            }
        }
    }

    async fn send(&mut self, key: u64, event: &ExportEvent) -> bool {
        let event = build(key, event, &self.instance, Timestamp::now());
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        match Api::namespaced(self.client.clone(), &namespace).create(&write_params(), &event).await {
            Ok(_) => {
                self.trouble = None;
                true
            }
            // It is there already: an earlier process or another leader made it.
            Err(kube::Error::Api(status)) if status.is_already_exists() => true,
            Err(error) => {
                self.note_trouble(&error);
                false
            }
        }
    }

    /// One line for each change of trouble: the object's namespace may be going away, or a permission missing.
    fn note_trouble(&mut self, error: &kube::Error) {
        let kind = error_class(error);
        self.metrics.kube_error(kind);
        if self.trouble != Some(kind) {
            let error = sentence(error);
            tracing::warn!(error, "Event not published; further ones of this kind are only counted");
            self.trouble = Some(kind);
        }
    }
}

fn build(key: u64, event: &ExportEvent, instance: &str, now: Timestamp) -> Event {
    let object = event.regarding.name.as_deref().unwrap_or_default();
    let stem = cut(object, NAME).trim_end_matches(['.', '-']);
    let metadata = ObjectMeta {
        name: Some(format!("{stem}.{}{key:016x}", event.chapter.number())),
        namespace: Some(event.regarding.namespace.clone().unwrap_or_else(|| "default".to_owned())),
        ..ObjectMeta::default()
    };
    Event {
        metadata,
        event_time: Some(MicroTime(now)),
        action: Some(ACTION.to_owned()),
        reason: Some(event.reason.to_owned()),
        note: Some(cut(&event.note, NOTE).to_owned()),
        type_: Some(event.kind.as_str().to_owned()),
        regarding: Some(event.regarding.clone()),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..Event::default()
    }
}

/// The longest start of `text` that has at most `bytes` bytes.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// What was sent lately.
#[derive(Debug, Default)]
struct Sent(HashMap<u64, Instant>);

impl Sent {
    /// Whether it was not sent lately; from now on it was.
    fn is_new(&mut self, key: u64, now: Instant) -> bool {
        let lately = |sent: &Instant| now < *sent + QUIET;
        if self.0.get(&key).is_some_and(lately) {
            return false;
        }
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, sent| lately(sent));
        }
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(key, now);
        true
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
