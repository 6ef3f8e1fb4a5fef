//! Reading for many: which session is read next, by GetStreamSession or from a page of ListStreamSessions.
//!
//! Objects don't read; they say what they wait for ([`Look`](super::decide::Look)), and rest. A group's sessions that a
//! list could show form a *roll*: those that should be live, and those whose export should be PENDING. A roll of more
//! than a few is called by lists, in *rounds*, wherever that takes less of its quota's time than one Get each. Who is on
//! a page has been read. Absence is no reading of anything: who is missing from a complete round costs one Get, or, of
//! the many that a fleet leaves behind, is looked for first in the lists of what has ended.
//!
//! [`book`], [`roll`] and [`round`] are pure, with the clock as an argument; [`reader`] is the shell. A reading goes to
//! [`memory`](super::memory), and only objects for which it tells anything new are woken.

pub mod book;
pub mod reader;
mod roll;
mod round;

#[cfg(test)]
mod model;
#[cfg(test)]
mod model_tests;

use super::decide::Sight;
use super::request::Uid;
use crate::streams::identifiers::{StreamGroupArn, StreamSessionId};
use crate::streams::observation::{ExportFilesStatus, Filter, PageToken, SessionStatus, SessionView};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Up to so many sessions of a roll are read one by one: lists would tell no sooner.
pub const FEW: usize = 20;
/// Whoever waits for a turn longer than this asks again, should its turn have been lost.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// Sessions on a page.
const PAGE: f64 = 100.0;

/// Which sessions of a group belong together because the same lists show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Unread, ACTIVATING, suspended or waiting to be asked for: all that should be live.
    Live,
    /// Promised, without a result so far as is known.
    Pending,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Live, Self::Pending];

    /// The roll that a reading of this kind may come from.
    pub const fn of(sight: Sight) -> Option<Self> {
        match sight {
            Sight::Exact => None,
            Sight::First | Sight::Live | Sight::Fresh => Some(Self::Live),
            Sight::Pending => Some(Self::Pending),
        }
    }

    /// The lists that together show every session of the roll, the likeliest first.
    const fn lists(self) -> &'static [Filter] {
        match self {
            Self::Live => &[
                Filter::Session(SessionStatus::Active),
                Filter::Session(SessionStatus::Connected),
                Filter::Session(SessionStatus::PendingClientReconnection),
                Filter::Session(SessionStatus::Reconnecting),
                Filter::Session(SessionStatus::Activating),
            ],
            Self::Pending => &[Filter::Export(ExportFilesStatus::Pending)],
        }
    }

    /// The lists in which the missing turn up, and with them all that ever ended.
    const fn history(self) -> &'static [Filter] {
        match self {
            Self::Live => &[],
            Self::Pending => &[Filter::Export(ExportFilesStatus::Succeeded), Filter::Export(ExportFilesStatus::Failed)],
        }
    }

    /// A word for logs and for the holder of a turn.
    const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Pending => "pending",
        }
    }
}

/// Requests per second that each operation may make now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speeds {
    /// GetStreamSession.
    pub get: f64,
    /// ListStreamSessions.
    pub list: f64,
}

impl Speeds {
    /// How many pages can be read in the time that one Get for each of so many sessions would take.
    fn pages_worth(self, sessions: usize) -> f64 {
        sessions as f64 * self.list / self.get.max(f64::MIN_POSITIVE)
    }
}

/// How much is to be read, where a share of the quota counts.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Load {
    speeds: Speeds,
    /// How long all rounds together take, at their part of the share.
    pace: Duration,
    /// No roll waits for its round longer than this, however often others are called.
    slowest: Duration,
    /// When the last sweep over those in which nothing happens began, and when the next one does.
    sweep: (Instant, Instant),
    /// Rolls of a few are so many that one Get for each of their sessions would take long.
    crowded: bool,
}

/// How rounds have ended, and how many sessions were on none of a complete one's pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Read to the end, or until everybody had been seen.
    pub complete: u64,
    /// They cost more than one Get each, or went round in circles.
    pub given_up: u64,
    /// A page was refused, or could not be had.
    pub failed: u64,
    /// Missing sessions.
    pub missing: u64,
}

impl Tally {
    const fn add(&mut self, more: Self) {
        self.complete += more.complete;
        self.given_up += more.given_up;
        self.failed += more.failed;
        self.missing += more.missing;
    }
}

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Ask for a turn to read the session of this object.
    Get(Uid),
    /// This object has got its reading otherwise: its turn goes to another.
    Withdraw(Uid),
    /// Ask for a turn to read this page.
    List(PageOrder),
}

/// One page to read.
#[derive(Debug, Clone, PartialEq)]
pub struct PageOrder {
    /// Of which group.
    pub group: Arc<StreamGroupArn>,
    /// For which roll.
    pub kind: Kind,
    /// Which list.
    pub filter: Filter,
    /// From where on.
    pub from: Option<PageToken>,
    /// An export depends on it.
    pub urgent: bool,
    /// Its round has begun. To end it soon keeps the pages from shifting much meanwhile.
    pub under_way: bool,
}

impl PageOrder {
    /// The name under which a turn for it is asked for: one for each roll.
    pub fn holder(&self) -> Arc<str> {
        holder(&self.group, self.kind)
    }
}

fn holder(group: &StreamGroupArn, kind: Kind) -> Arc<str> {
    format!("list/{}/{group}", kind.word()).into()
}

/// What a page said of one session, as far as the roll must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Which one.
    pub session: StreamSessionId,
    /// It has ended or is ending.
    pub over: bool,
    /// The summary names the export's URI; `None` if it shows no export.
    pub names_uri: Option<bool>,
}

impl Shown {
    /// What a page's line says.
    pub fn of(session: &StreamSessionId, view: &SessionView) -> Self {
        let names_uri = view.export.as_ref().map(|export| export.output_uri.is_some());
        Self { session: session.clone(), over: view.status.is_over(), names_uri }
    }
}

/// What a Get said of a session, as far as the roll must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// The lists of its roll should have shown it.
    Present,
    /// They rightly don't show it any more.
    Gone,
    /// Nothing: the read failed.
    Nothing,
}

/// Fixed waits of the plan, from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// Fastest round of a live roll.
    pub live: Duration,
    /// Fastest round of a pending roll.
    pub pending: Duration,
    /// First and longest wait after lists that failed, and after a Get that found what a list had missed.
    pub retry: (Duration, Duration),
}

impl Waits {
    const fn of(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Live => self.live,
            Kind::Pending => self.pending,
        }
    }

    /// After so many times in a row.
    fn after(&self, times: u32) -> Duration {
        self.retry.0.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(self.retry.1)
    }
}

/// The earlier of two moments, where there are any.
fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}
