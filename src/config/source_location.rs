//! Locations of errors and fields in the configuration file.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Line and column of an error, from 1; the start of the file if YAML gave none.
pub(super) fn location_of(error: &serde_yaml::Error) -> (usize, usize) {
    error.location().map_or((1, 1), |at| (at.line(), at.column()))
}

/// The message of an error, which begins with the field's path, without the location that serde_yaml appends.
pub(super) fn strip_location(error: &serde_yaml::Error) -> String {
    let (line, column) = location_of(error);
    let message = error.to_string();
    let end = format!(" at line {line} column {column}");
    message.strip_suffix(&end).unwrap_or(&message).to_owned()
}

/// Line and column of a field, such as `rules[0].streamGroups[1]`; of the closest mapping around it when the file
/// doesn't name it.
pub(super) fn find_field(text: &str, field: &str) -> (usize, usize) {
    let steps: Vec<&str> = field.split(['.', '[', ']']).filter(|step| !step.is_empty()).collect();
    let probe = Probe(&steps);
    let found = probe.deserialize(serde_yaml::Deserializer::from_str(text));
    found.map_or_else(|stopped| location_of(&stopped), |()| (1, 1))
}

/// Walks to the field and fails there on purpose, because serde_yaml gives locations of errors only.
#[derive(Clone, Copy)]
struct Probe<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Probe<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Probe<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the way to a field")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.0.split_first() else { return Err(A::Error::custom("here")) };
        while let Some(key) = map.next_key::<String>()? {
            if key == *step {
                map.next_value_seed(Probe(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Err(A::Error::custom("not named"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.0.split_first() else { return Err(A::Error::custom("here")) };
        let Ok(index) = step.parse::<usize>() else { return Err(A::Error::custom("no list")) };
        for _ in 0..index {
            list.next_element::<IgnoredAny>()?;
        }
        list.next_element_seed(Probe(rest))?;
        Err(A::Error::custom("not there"))
    }
}
