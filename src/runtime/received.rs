//! An object as the API server sent it, decodable or not.
//!
//! kube decodes lists, watch events and answers as a whole: one object that can't be decoded breaks the list of all of
//! them, and so the operator for every tenant. A [`Received`] is made of any JSON, and decoded by itself: a failure
//! then makes only that object *unreadable*.
//!
//! Owns: which metadata of an object is read; all else is skipped. Unknown fields are skipped by serde_json
//! without recursion, so neither depth nor size nor odd times in `managedFields`, labels or annotations matter. (kube's
//! `DeserializeGuard` would not do: it buffers through `deserialize_any`, which stops at a depth of 128, and then reads
//! the whole of `ObjectMeta`.)
//! Never: IO.

#[cfg(test)]
mod tests;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::Resource;
use kube::core::{NamespaceResourceScope, ObjectMeta};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::marker::PhantomData;

/// Longest error text that is kept, in bytes: it may quote the object.
const MAX_ERROR: usize = 200;

/// Why an object can't be used that lacks metadata which every stored object has.
pub(crate) const INCOMPLETE_METADATA: &str = "metadata without uid, name, namespace or creationTimestamp";

/// Whether a resource version is older than another. Those of one resource compare as integers (KEP-5504); one that is no
/// integer is never older.
pub(crate) fn is_older_version(own: &str, other: &str) -> bool {
    matches!((own.parse::<u64>(), other.parse::<u64>()), (Ok(own), Ok(other)) if own < other)
}

/// A kind that can be made from metadata and the rest of its JSON.
pub trait Decode: Sized {
    /// Decodes everything but the metadata from the object's JSON.
    ///
    /// # Errors
    /// If the JSON does not fit the type.
    fn decode(metadata: ObjectMeta, json: &str) -> serde_json::Result<Self>;
}

/// Decodes the two parts of an object with a spec and a status.
///
/// # Errors
/// If the JSON does not fit the types.
pub(crate) fn decode_content<Spec: DeserializeOwned, Status: DeserializeOwned>(
    json: &str,
) -> serde_json::Result<(Spec, Option<Status>)> {
    #[derive(Deserialize)]
    struct Content<Spec, Status> {
        spec: Spec,
        #[serde(default = "Option::default")]
        status: Option<Status>,
    }
    let Content { spec, status } = serde_json::from_str(json)?;
    Ok((spec, status))
}

/// One object of a list, a watch event or a response: its JSON, and its name, namespace, uid and version.
#[derive(Debug, Clone)]
pub struct Received<K> {
    identity: Box<ObjectMeta>,
    json: Box<RawValue>,
    kind: PhantomData<fn() -> K>,
}

/// Why an object can't be decoded: the decoder's message, which may quote the object; at most 200 bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

/// The metadata that identifies an object. The API server writes these itself.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
}

/// The other metadata that is used.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Origin {
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    /// Read by itself, as is the next: only policies need them, and an odd one must not make an export unreadable.
    deletion_timestamp: Option<Box<RawValue>>,
    owner_references: Option<Box<RawValue>>,
}

impl Origin {
    /// When the deletion was requested. A time that can't be read is some time.
    fn deleted(&self) -> Option<Time> {
        let text = self.deletion_timestamp.as_ref().map(|raw| raw.get()).filter(|text| *text != "null")?;
        Some(serde_json::from_str(text).unwrap_or(Time(jiff::Timestamp::UNIX_EPOCH)))
    }

    /// The controller, of which the API server accepts one at most.
    fn controllers(&self) -> Option<Vec<OwnerReference>> {
        let raw = self.owner_references.as_ref()?.get();
        let mut owners = serde_json::from_str::<Option<Vec<OwnerReference>>>(raw).ok()??;
        owners.retain(|owner| owner.controller == Some(true));
        (!owners.is_empty()).then_some(owners)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Envelope<M> {
    metadata: M,
}

impl<K> Received<K> {
    fn from_json(json: Box<RawValue>) -> Self {
        let identity = serde_json::from_str::<Envelope<Identity>>(json.get()).unwrap_or_default().metadata;
        let identity = ObjectMeta {
            name: identity.name,
            namespace: identity.namespace,
            uid: identity.uid,
            resource_version: identity.resource_version,
            ..ObjectMeta::default()
        };
        Self { identity: Box::new(identity), json, kind: PhantomData }
    }

    /// Name, namespace, uid and resourceVersion. Empty if even these can't be read, which no API server sends.
    pub fn identity(&self) -> &ObjectMeta {
        &self.identity
    }
}

impl<K: Decode> Received<K> {
    /// The object, with the metadata that is used.
    ///
    /// # Errors
    /// If its JSON does not fit the kind.
    pub fn decode(self) -> Result<K, DecodeError> {
        let json = self.json.get();
        let decoded = serde_json::from_str::<Envelope<Origin>>(json).and_then(|Envelope { metadata: origin }| {
            let (deletion_timestamp, owner_references) = (origin.deleted(), origin.controllers());
            let Origin { generation, creation_timestamp, .. } = origin;
            let dates = ObjectMeta { generation, creation_timestamp, deletion_timestamp, ..*self.identity };
            K::decode(ObjectMeta { owner_references, ..dates }, json)
        });
        decoded.map_err(|error| DecodeError::new(&error))
    }
}

impl DecodeError {
    /// An error with the start of this text.
    pub(crate) fn new(error: &impl std::fmt::Display) -> Self {
        let mut text = error.to_string();
        text.truncate(text.floor_char_boundary(MAX_ERROR));
        Self(text)
    }
}

/// Fails only if the input is not JSON.
impl<'de, K> Deserialize<'de> for Received<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_json(Box::<RawValue>::deserialize(deserializer)?))
    }
}

/// Required by [`kube::Api`].
impl<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>> Resource for Received<K> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(dynamic: &()) -> Cow<'_, str> {
        K::kind(dynamic)
    }

    fn group(dynamic: &()) -> Cow<'_, str> {
        K::group(dynamic)
    }

    fn version(dynamic: &()) -> Cow<'_, str> {
        K::version(dynamic)
    }

    fn plural(dynamic: &()) -> Cow<'_, str> {
        K::plural(dynamic)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.identity
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.identity
    }
}
