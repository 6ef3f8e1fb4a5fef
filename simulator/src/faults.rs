//! Faults by rule: which calls go wrong, and how.

mod plan;
mod rule;

use serde::Serialize;

pub use self::plan::{Damage, Falsehood, Instead, Length, Plan};
pub use self::rule::{Action, Field, Rule};
use crate::wire::route::Operation;

/// What a rule is matched against.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The operation called.
    pub operation: Operation,
    /// The group's id, empty where there is none.
    pub group: &'a str,
    /// The session's id, where the call names one.
    pub session: Option<&'a str>,
    /// The caller.
    pub access_key_id: &'a str,
}

/// A rule with its number and counts.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// By which it can be removed.
    pub id: u64,
    /// Calls that it covered.
    pub matched: u64,
    /// Calls that it made go wrong.
    pub applied: u64,
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
}

/// All rules in force.
#[derive(Debug, Default)]
pub struct FaultBook {
    entries: Vec<Entry>,
    last_id: u64,
}

impl FaultBook {
    /// Adds a rule and returns its number.
    pub fn add(&mut self, rule: Rule) -> u64 {
        self.last_id += 1;
        self.entries.push(Entry { id: self.last_id, matched: 0, applied: 0, rule });
        self.last_id
    }

    /// The rules with their counts.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Removes all rules.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Removes one rule; false when there is none of this number.
    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.id != id);
        self.entries.len() < before
    }

    /// Counts the call and says what happens to it.
    pub fn plan(&mut self, call: &Subject<'_>) -> Plan {
        let mut plan = Plan::default();
        for entry in &mut self.entries {
            if !entry.rule.covers(call) {
                continue;
            }
            entry.matched += 1;
            if entry.rule.picks(entry.matched) {
                entry.applied += 1;
                plan.take(&entry.rule.session, &entry.rule.action);
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(rules: &[&str]) -> FaultBook {
        let mut book = FaultBook::default();
        for rule in rules {
            book.add(serde_json::from_str(rule).expect(rule));
        }
        book
    }

    fn names(book: &mut FaultBook, operation: Operation, session: Option<&str>) -> Vec<&'static str> {
        let call = Subject { operation, group: "sg-1", session, access_key_id: "AK" };
        book.plan(&call).names
    }

    const GET: Operation = Operation::GetStreamSession;

    #[test]
    fn nth_first_and_every_count_matching_calls_only() {
        let mut book = book(&[
            r#"{"operation":"GetStreamSession","session":"a","nth":2,"action":{"type":"throttle"}}"#,
            r#"{"operation":"GetStreamSession","first":1,"action":{"type":"html503"}}"#,
            r#"{"session":"a","every":3,"action":{"type":"latency","ms":5}}"#,
        ]);
        assert!(names(&mut book, Operation::ExportStreamSessionFiles, Some("b")).is_empty());
        assert_eq!(names(&mut book, GET, Some("b")), ["html503"]);
        assert!(names(&mut book, GET, Some("a")).is_empty());
        assert_eq!(names(&mut book, GET, Some("a")), ["throttle"]);
        assert_eq!(names(&mut book, GET, Some("a")), ["latency"]);
        assert_eq!(book.entries()[0].matched, 3);
        assert_eq!(book.entries()[0].applied, 1);
    }

    #[test]
    fn lists_are_concerned_by_rules_on_what_sessions_show_only() {
        let list = Operation::ListStreamSessions;
        let mut book = book(&[
            r#"{"session":"a","action":{"type":"throttle"}}"#,
            r#"{"session":"a","action":{"type":"omitOutputUri"}}"#,
            r#"{"session":"a","action":{"type":"omitFields","fields":["CreatedAt","Location"]}}"#,
            r#"{"session":"a","action":{"type":"omitSession"}}"#,
        ]);
        assert_eq!(names(&mut book, list, None), ["omitOutputUri", "omitFields", "omitSession"]);
    }

    #[test]
    fn wrong_rules_are_refused() {
        for rule in [
            r#"{"action":{"type":"nonsense"}}"#,
            r#"{"action":{"type":"latency"}}"#,
            r#"{"action":{"type":"omitFields","fields":["Arn"]}}"#,
            r#"{"sesion":"a","action":{"type":"throttle"}}"#,
            r#"{"operation":"Nope","action":{"type":"throttle"}}"#,
            r#"{"action":{"type":"html503","afterEfect":true}}"#,
        ] {
            assert!(serde_json::from_str::<Rule>(rule).is_err(), "{rule}");
        }
        let rule: Rule = serde_json::from_str(r#"{"action":{"type":"error5xx","status":404}}"#).unwrap();
        assert!(rule.check().is_err());
    }
}
