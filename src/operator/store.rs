//! All objects that there are, each in as little room as it can wait in.
//!
//! Nearly all of them only wait, for hours; packed, they take a quarter of the room, and a pass unpacks its own.

use super::watch::Watched;
use kube::runtime::reflector::ObjectRef;
use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// By namespace and name.
type Names = BTreeMap<String, HashMap<Box<str>, Known>>;

/// Texts that most objects' JSON contains, at most 31.
pub(super) type Phrases = &'static [&'static str];

/// What is known of all objects. Clones share it.
pub(super) struct Store<K> {
    names: Arc<Mutex<Names>>,
    phrases: Phrases,
    kind: PhantomData<fn() -> K>,
}

/// Enough to tell whether an object has changed; and the object itself, if there may be something to do for it.
pub(super) struct Known {
    pub(super) uid: Box<str>,
    pub(super) version: Box<str>,
    /// The last list of its feed that showed it.
    pub(super) list: u32,
    pub(super) kept: Kept,
}

/// What is kept of an object.
pub(super) enum Kept {
    /// All of it that is used.
    Packed(Packed),
    /// Nothing: until it changes there is nothing to do for it.
    AtRest,
    /// Nothing: it can't be decoded.
    Unreadable,
}

impl Kept {
    pub(super) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable)
    }
}

/// An object as JSON, each phrase replaced by a control character of its own, as JSON has none.
pub(super) struct Packed(Box<str>);

impl<K> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self { names: Arc::clone(&self.names), phrases: self.phrases, kind: PhantomData }
    }
}

impl<K: Watched> Store<K> {
    pub(super) fn new(phrases: Phrases) -> Self {
        Self { names: Arc::default(), phrases, kind: PhantomData }
    }

    /// `None` only if an object can't be written as the JSON that it has been read from: a bug, and logged.
    pub(super) fn pack(&self, object: &K) -> Option<Packed> {
        let json =
            serde_json::to_string(object).inspect_err(|error| tracing::error!(%error, "an object can't be kept"));
        let packed =
            self.marked().fold(json.ok()?, |text, (mark, phrase)| text.replace(phrase, mark.encode_utf8(&mut [0])));
        Some(Packed(packed.into()))
    }

    fn unpack(&self, text: String) -> Option<K> {
        let json = self.marked().fold(text, |text, (mark, phrase)| text.replace(mark, phrase));
        serde_json::from_str(&json)
            .inspect_err(|error| tracing::error!(%error, "an object that was kept can't be read"))
            .ok()
    }

    /// Each phrase, with its control character.
    fn marked(&self) -> impl Iterator<Item = (char, &'static str)> {
        (1..=31).zip(self.phrases).map(|(mark, phrase)| (char::from(mark), *phrase))
    }

    /// For those who change it.
    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object as last seen. `None`: it is gone, at rest, or can't be decoded.
    pub(super) fn get(&self, object: &ObjectRef<K>) -> Option<K> {
        self.unpack(self.text(object)?)
    }

    /// Unpacking takes longer than a copy, and the watch must not wait for it.
    fn text(&self, object: &ObjectRef<K>) -> Option<String> {
        let names = self.names();
        let known = names.get(object.namespace.as_deref()?)?.get(&*object.name)?;
        match &known.kept {
            Kept::Packed(Packed(text)) => Some(text.to_string()),
            Kept::AtRest | Kept::Unreadable => None,
        }
    }

    /// All that are kept.
    pub(super) fn awake(&self) -> Vec<ObjectRef<K>> {
        let names = self.names();
        let all = names.iter().flat_map(|(namespace, names)| names.iter().map(move |known| (namespace, known)));
        let awake = all.filter(|(_, (_, known))| matches!(known.kept, Kept::Packed(_)));
        awake.map(|(namespace, (name, _))| ObjectRef::new(name).within(namespace)).collect()
    }

    /// How many objects there are, those of which nothing is kept included.
    pub(super) fn len(&self) -> usize {
        self.names().values().map(HashMap::len).sum()
    }
}
