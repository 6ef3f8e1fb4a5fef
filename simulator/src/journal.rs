//! What happened: every call and every change of state, as JSON lines. Never a secret: neither
//! signatures nor tokens, nor what a session was started with.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, LineWriter, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::wire::route::Operation;

/// Which kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A call on the AWS port.
    Call,
    /// A session changed its status.
    Session,
    /// An export changed its status or destination.
    Export,
    /// An upload to S3 ended.
    Upload,
}

/// One line. What does not apply is absent.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Counted from 1 without gaps.
    pub seq: u64,
    /// What happened.
    pub kind: Kind,
    /// Real milliseconds since the start: for a call its arrival.
    pub ms: f64,
    /// Real time of day when it was written down.
    pub time: String,
    /// The rest.
    #[serde(flatten)]
    pub event: Event,
}

/// What a record tells beside when.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The operation called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The caller's access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The stream group's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The session's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The destination: as asked for by a call, as shown by an export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_uri: Option<String>,
    /// The query of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Sessions on the page of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<usize>,
    /// The ids of these sessions, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<String>,
    /// The HTTP status sent, or received by an upload; absent after a reset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The error's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The faults that were applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<&'static str>,
    /// When the call had its effect, on the same scale as `ms`; absent when it had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect_ms: Option<f64>,
    /// How long it took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    /// The answer's request id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The caller's User-Agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The status before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The status after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The StatusReason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Size of the ZIP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
}

/// What of the journal is wanted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// Only records after this one.
    pub since: Option<u64>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Only this kind.
    pub kind: Option<Kind>,
    /// Only this operation.
    pub operation: Option<Operation>,
    /// Only this session.
    pub session: Option<String>,
}

impl Filter {
    fn wants(&self, record: &Record) -> bool {
        self.since.is_none_or(|since| record.seq > since)
            && self.kind.is_none_or(|kind| record.kind == kind)
            && self.operation.is_none_or(|op| record.event.operation == Some(op))
            && self.session.as_deref().is_none_or(|id| record.event.session.as_deref() == Some(id))
    }
}

/// How the calls of one operation ended.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// All calls.
    pub total: u64,
    /// Those answered with a 2xx.
    pub ok: u64,
    /// Those that had their effect, whatever the caller was told.
    pub effects: u64,
    /// Those answered with an error, by its name; `reset` and `http503` are faults without one.
    pub errors: BTreeMap<String, u64>,
    /// The most in any one second of real time.
    pub peak_per_second: usize,
    #[serde(skip)]
    recent: VecDeque<f64>,
}

impl Counts {
    fn add(&mut self, ms: f64, event: &Event) {
        self.total += 1;
        self.effects += u64::from(event.effect_ms.is_some());
        match (&event.error, event.status) {
            (Some(error), _) => *self.errors.entry(error.clone()).or_default() += 1,
            (None, Some(200..=299)) => self.ok += 1,
            (None, Some(status)) => *self.errors.entry(format!("http{status}")).or_default() += 1,
            (None, None) => *self.errors.entry("reset".to_owned()).or_default() += 1,
        }
        self.recent.push_back(ms);
        while self.recent.front().is_some_and(|&oldest| oldest <= ms - 1000.0) {
            self.recent.pop_front();
        }
        self.peak_per_second = self.peak_per_second.max(self.recent.len());
    }
}

#[derive(Debug, Default)]
struct Book {
    records: VecDeque<Record>,
    last: u64,
    counts: BTreeMap<Operation, Counts>,
    file: Option<LineWriter<File>>,
    broken: bool,
}

/// The journal; it keeps the newest records in memory and all of them in a file, if there is one.
#[derive(Debug)]
pub struct Journal {
    book: Mutex<Book>,
    keep: usize,
}

impl Journal {
    /// A journal that keeps so many records in memory and appends to `file`.
    pub fn new(keep: usize, file: Option<&Path>) -> io::Result<Self> {
        let file = match file {
            Some(path) => Some(LineWriter::new(File::options().create(true).append(true).open(path)?)),
            None => None,
        };
        Ok(Self { book: Mutex::new(Book { file, ..Book::default() }), keep })
    }

    /// Writes down what happened at `ms`.
    pub fn write(&self, kind: Kind, ms: f64, event: Event) {
        let mut book = self.lock();
        if let (Kind::Call, Some(operation)) = (kind, event.operation) {
            book.counts.entry(operation).or_default().add(ms, &event);
        }
        book.last += 1;
        let time = clock::rfc3339(clock::wall());
        let record = Record { seq: book.last, kind, ms, time, event };
        book.append(&record);
        book.records.push_back(record);
        if book.records.len() > self.keep {
            book.records.pop_front();
        }
    }

    /// The records wanted, and the number of the newest of all.
    #[must_use]
    pub fn read(&self, filter: &Filter) -> (Vec<Record>, u64) {
        let book = self.lock();
        let limit = filter.limit.unwrap_or(usize::MAX);
        let oldest = book.records.front().map_or(0, |record| record.seq);
        let skip = filter.since.map_or(0, |since| (since + 1).saturating_sub(oldest));
        let records = book
            .records
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .filter(|record| filter.wants(record))
            .take(limit)
            .cloned()
            .collect();
        (records, book.last)
    }

    /// How the calls ended, by operation.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Operation, Counts> {
        self.lock().counts.clone()
    }

    /// Sets the counts back to nothing; the records stay.
    pub fn reset_counts(&self) {
        self.lock().counts.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// A full disk must not stop the service; it is said once.
    fn append(&mut self, record: &Record) {
        let Some(file) = &mut self.file else { return };
        let written = serde_json::to_string(record).map_err(io::Error::from).and_then(|line| writeln!(file, "{line}"));
        if let Err(error) = written
            && !self.broken
        {
            self.broken = true;
            crate::complain(&format!("the journal cannot be written: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(status: Option<u16>, error: Option<&str>) -> Event {
        Event {
            operation: Some(Operation::GetStreamSession),
            status,
            error: error.map(str::to_owned),
            ..Event::default()
        }
    }

    #[test]
    fn counts_distinguish_answers_errors_resets_and_the_peak() {
        let journal = Journal::new(10, None).unwrap();
        journal.write(Kind::Call, 0.0, call(Some(200), None));
        journal.write(Kind::Call, 10.0, call(Some(429), Some("ThrottlingException")));
        journal.write(Kind::Call, 999.0, call(None, None));
        journal.write(Kind::Call, 1500.0, call(Some(503), None));
        let counts = &journal.counts()[&Operation::GetStreamSession];
        assert_eq!((counts.total, counts.ok, counts.peak_per_second), (4, 1, 3));
        let errors: Vec<_> = counts.errors.keys().map(String::as_str).collect();
        assert_eq!(errors, ["ThrottlingException", "http503", "reset"]);
    }

    #[test]
    fn reading_goes_on_where_it_stopped_also_when_old_records_are_gone() {
        let journal = Journal::new(3, None).unwrap();
        for _ in 0..5 {
            journal.write(Kind::Session, 0.0, Event::default());
        }
        let seqs = |since| {
            let (records, last) = journal.read(&Filter { since, ..Filter::default() });
            (records.iter().map(|record| record.seq).collect::<Vec<_>>(), last)
        };
        assert_eq!(seqs(None), (vec![3, 4, 5], 5));
        assert_eq!(seqs(Some(1)), (vec![3, 4, 5], 5));
        assert_eq!(seqs(Some(4)), (vec![5], 5));
        assert_eq!(seqs(Some(5)), (vec![], 5));
    }

    #[test]
    fn the_file_holds_one_json_object_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journal = Journal::new(1, Some(&path)).unwrap();
        journal.write(Kind::Call, 1.5, call(Some(200), None));
        journal.write(Kind::Call, 2.5, call(Some(200), None));
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["ms"], 1.5);
        assert_eq!(lines[1]["operation"], "GetStreamSession");
    }
}
