//! Deserialises straight into parsed types, so that an error carries the location of the value itself.
//!
//! An error in a value that is read as text and parsed afterwards would be reported at the start of its mapping.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// A `T`, read from the text of a scalar. Its `FromStr` error says what is accepted.
pub(crate) struct Parsed<T>(pub(crate) T);

struct TextVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for TextVisitor<T> {
    type Value = Parsed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Parsed<T>, E> {
        text.parse().map(Parsed).map_err(E::custom)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

/// For a field that is parsed from text.
pub(crate) fn parse_str<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(d: D) -> Result<T, D::Error> {
    Parsed::deserialize(d).map(|parsed| parsed.0)
}

/// For a field that is parsed from text and may be absent or null.
pub(crate) fn parse_optional<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    d: D,
) -> Result<Option<T>, D::Error> {
    Option::<Parsed<T>>::deserialize(d).map(|found| found.map(|parsed| parsed.0))
}

/// For a section whose keys may all be commented out, which leaves a null.
pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(d).map(Option::unwrap_or_default)
}

struct FilledVisitor<T>(PhantomData<T>);

impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for FilledVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list with at least one entry")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(Parsed(entry)) = list.next_element()? {
            entries.push(entry);
        }
        if entries.is_empty() { Err(A::Error::custom("must have at least one entry")) } else { Ok(entries) }
    }
}

/// For a list that must not be empty.
pub(crate) fn non_empty_vec<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    d: D,
) -> Result<Vec<T>, D::Error> {
    d.deserialize_seq(FilledVisitor(PhantomData))
}
