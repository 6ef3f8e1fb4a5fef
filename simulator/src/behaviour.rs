//! How the simulated service behaves where AWS's documents leave room, and at what pace.
//!
//! One set of defaults, and overrides for the sessions that a pattern covers.

use serde::{Deserialize, Serialize};

use crate::glob::Glob;

/// What `ExportFilesMetadata.OutputUri` shows while the export is PENDING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PendingOutputUri {
    /// The URI as it was given, a prefix included.
    Given,
    /// The URI of the object that will be written.
    FinalKey,
    /// No URI.
    Absent,
}

/// What a second export of a session to another URI does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecondExport {
    /// The later URI counts.
    Replace,
    /// It is answered with 200 and changes nothing.
    Ignore,
    /// It is answered with a ValidationException.
    Refuse,
}

/// When the bucket is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BucketCheck {
    /// Only by the upload: a bad bucket makes the export FAILED.
    AtUpload,
    /// Only by the call: a bad bucket is a ValidationException; an upload refused later stays PENDING.
    AtCall,
    /// By both.
    Both,
}

/// What becomes of an export whose caller's credentials have expired by the time of the upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExpiredCaller {
    /// The upload goes on: the authority of the moment of the call counts.
    Upload,
    /// The export is FAILED.
    Fail,
}

/// What becomes of an export whose session ends in ERROR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorExport {
    /// It is uploaded, as after any other end.
    Upload,
    /// It is FAILED.
    Fail,
    /// It stays PENDING and nothing is uploaded.
    Pending,
}

/// What the NextToken of a list stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PageToken {
    /// The last session shown: what comes after it is shown once, whatever happens between the pages.
    Session,
    /// So many sessions of the list as it is at the time of the next request: sessions that leave the list between two
    /// pages let others be skipped, sessions that enter it let others be shown twice.
    Offset,
}

/// How much of `ExportFilesMetadata` a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ListMetadata {
    /// Status, StatusReason and OutputUri.
    Full,
    /// Status only.
    StatusOnly,
}

macro_rules! behaviour {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $default:expr,)*) => {
        /// Every switch. Durations are in milliseconds of simulated time.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct Behaviour { $($(#[$doc])* pub $name: $kind,)* }

        impl Default for Behaviour {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        /// Some of the switches of [`Behaviour`]; what is absent stays as it is.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct Changes {
            $($(#[$doc])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $name: Option<$kind>,)*
        }

        impl Changes {
            /// Lays these switches over `target`.
            pub fn apply(&self, target: &mut Behaviour) {
                $(if let Some(value) = &self.$name { target.$name = value.clone(); })*
            }

            /// Lays these switches over other changes.
            pub fn merge_into(&self, target: &mut Changes) {
                $(if self.$name.is_some() { target.$name = self.$name.clone(); })*
            }
        }
    };
}

behaviour! {
    /// Unknown (a).
    pending_output_uri: PendingOutputUri = PendingOutputUri::Given,
    /// Unknown (b).
    second_export: SecondExport = SecondExport::Replace,
    /// Unknown (c).
    bucket_check: BucketCheck = BucketCheck::AtUpload,
    /// Unknown (d): how long an ended session can be read. The console says 90 days.
    retention_ms: u64 = 90 * 24 * 3600 * 1000,
    /// Unknown (e): how far GetStreamSession lags behind an export's metadata.
    get_lag_ms: u64 = 0,
    /// Unknown (e): how far the lists lag behind an export's metadata.
    list_lag_ms: u64 = 0,
    /// How far GetStreamSession lags behind a session's status.
    get_status_lag_ms: u64 = 0,
    /// How far the lists lag behind a session's status.
    list_status_lag_ms: u64 = 0,
    /// How far the filters of the lists lag, beyond what the lists show.
    list_filter_lag_ms: u64 = 0,
    /// How long a new session is unknown to reads and to ExportStreamSessionFiles.
    new_session_lag_ms: u64 = 0,
    /// Unknown (f).
    expired_caller: ExpiredCaller = ExpiredCaller::Upload,
    /// Unknown (h).
    error_export: ErrorExport = ErrorExport::Upload,
    /// Unknown (g), for ListStreamSessions.
    list_metadata: ListMetadata = ListMetadata::Full,
    /// The same for ListStreamSessionsByAccount; AWS documents that it shows the Status only.
    account_list_metadata: ListMetadata = ListMetadata::StatusOnly,
    /// What NextToken stands for; set for all sessions only.
    page_token: PageToken = PageToken::Session,
    /// From ACTIVATING to ACTIVE.
    activation_delay_ms: u64 = 1_000,
    /// From TERMINATING to TERMINATED.
    end_delay_ms: u64 = 500,
    /// From the session's end to the upload.
    upload_delay_ms: u64 = 500,
    /// How long a connected client may be without input.
    idle_timeout_ms: u64 = 60 * 60 * 1000,
    /// Files in each of the ZIP's folders.
    files_per_folder: u32 = 2,
    /// Size of each file, before compression.
    file_bytes: u64 = 4_096,
    /// The most rows of the performance stats, of which AWS has one for every second.
    stats_rows: u32 = 600,
}

/// Changes for the sessions that a pattern covers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// Which sessions, by id.
    pub session: Glob,
    /// What is different for them.
    pub set: Changes,
}

/// The defaults and the overrides; a later override wins.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Switches {
    /// What holds for every session.
    pub defaults: Behaviour,
    /// What differs for some.
    pub overrides: Vec<Override>,
}

impl Switches {
    /// Whether a list may show some session as it was before, or not yet.
    #[must_use]
    pub fn has_list_lag(&self) -> bool {
        let Behaviour { list_lag_ms, list_status_lag_ms, list_filter_lag_ms, new_session_lag_ms, .. } = self.defaults;
        let lags =
            |set: &Changes| [set.list_lag_ms, set.list_status_lag_ms, set.list_filter_lag_ms, set.new_session_lag_ms];
        let overridden = self.overrides.iter().flat_map(|rule| lags(&rule.set)).flatten();
        let defaults = [list_lag_ms, list_status_lag_ms, list_filter_lag_ms, new_session_lag_ms];
        defaults.into_iter().chain(overridden).any(|ms| ms > 0)
    }

    /// What holds for the session with this id.
    #[must_use]
    pub fn of(&self, session: &str) -> Behaviour {
        let mut behaviour = self.defaults.clone();
        for rule in self.overrides.iter().filter(|rule| rule.session.matches(session)) {
            rule.set.apply(&mut behaviour);
        }
        behaviour
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_override_wins_and_keeps_other_fields() {
        let switches: Vec<Override> = serde_json::from_str(
            r#"[{"session":"s-*","set":{"secondExport":"refuse","uploadDelayMs":5}},
                {"session":"s-1","set":{"secondExport":"ignore"}}]"#,
        )
        .unwrap();
        let switches = Switches { defaults: Behaviour::default(), overrides: switches };
        assert_eq!(switches.of("s-1").second_export, SecondExport::Ignore);
        assert_eq!(switches.of("s-1").upload_delay_ms, 5);
        assert_eq!(switches.of("s-2").second_export, SecondExport::Refuse);
        assert_eq!(switches.of("other"), Behaviour::default());
    }

    #[test]
    fn a_misspelt_switch_is_refused() {
        assert!(serde_json::from_str::<Changes>(r#"{"uploadDelay":5}"#).is_err());
    }
}
