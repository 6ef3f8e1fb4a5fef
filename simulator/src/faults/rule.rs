//! What a rule says: which calls, which of them, and what goes wrong.

use serde::{Deserialize, Serialize};

use crate::faults::Subject;
use crate::glob::Glob;
use crate::wire::route::Operation;

/// The field that an answer is falsified in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Field {
    /// The session's.
    Session,
    /// That of `ExportFilesMetadata`.
    #[default]
    Export,
}

/// A member of a session that AWS's model doesn't require.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OptionalField {
    /// The application's ARN.
    ApplicationArn,
    /// When the session was created.
    CreatedAt,
    /// Where it is hosted.
    Location,
}

impl OptionalField {
    /// Its name in AWS's JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApplicationArn => "ApplicationArn",
            Self::CreatedAt => "CreatedAt",
            Self::Location => "Location",
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// ThrottlingException, 429; nothing happens.
    Throttle,
    /// AccessDeniedException, 403; nothing happens.
    AccessDenied,
    /// ExpiredTokenException, 403; nothing happens.
    ExpiredToken,
    /// ResourceNotFoundException, 404; nothing happens.
    NotFound,
    /// ValidationException, 400; nothing happens.
    Validation {
        /// The exception's message.
        #[serde(default = "default_message")]
        message: String,
    },
    /// A server error in AWS's form.
    #[serde(rename = "error5xx")]
    Error5xx {
        /// The HTTP status.
        #[serde(default = "default_status")]
        status: u16,
        /// The error's name.
        #[serde(default = "default_code")]
        code: String,
        /// Whether the call has had its effect anyway.
        #[serde(default)]
        after_effect: bool,
    },
    /// A proxy's HTML page, 503.
    Html503 {
        /// Whether the call has had its effect anyway.
        #[serde(default)]
        after_effect: bool,
    },
    /// 200 with a body that breaks off; the call has had its effect.
    BrokenJson,
    /// The answer's body goes on with blanks, which JSON allows, until the connection closes; the call has had its
    /// effect.
    EndlessBody,
    /// The same up to a length, which Content-Length tells.
    OversizedBody {
        /// Bytes of the whole body; one that is longer anyway stays as it is.
        bytes: u64,
    },
    /// An unknown word as Status.
    UnknownEnum {
        /// Whose Status.
        #[serde(default)]
        field: Field,
        /// The word.
        #[serde(default = "default_word")]
        value: String,
    },
    /// Any text as StatusReason.
    StatusReason {
        /// Whose StatusReason.
        #[serde(default)]
        field: Field,
        /// The text; when absent 1,024 characters with control, escape and bidi characters.
        #[serde(default)]
        value: Option<String>,
    },
    /// `ExportFilesMetadata` without any field.
    EmptyExportMetadata,
    /// No `ExportFilesMetadata` at all.
    OmitExportMetadata,
    /// `ExportFilesMetadata` without its OutputUri.
    OmitOutputUri,
    /// A list without the session.
    OmitSession,
    /// A session without these members.
    OmitFields {
        /// Their names.
        fields: Vec<OptionalField>,
    },
    /// Another OutputUri than the true one.
    OutputUri {
        /// The text.
        value: String,
    },
    /// Another ARN than the session's.
    Arn {
        /// The text.
        value: String,
    },
    /// The answer shows what was so long ago.
    ReadLag {
        /// Milliseconds of simulated time.
        ms: u64,
        /// Whether the session's status lags too.
        #[serde(default)]
        status: bool,
    },
    /// The answer takes longer.
    Latency {
        /// Milliseconds of real time.
        ms: u64,
        /// Whether the call has its effect before the wait; by default it has it after.
        #[serde(default)]
        after_effect: bool,
    },
    /// The connection is reset; nothing happens.
    ResetBefore,
    /// The connection is reset once the call has had its effect.
    ResetAfter,
    /// A Date header that is off.
    WrongDate {
        /// Seconds; negative is the past.
        offset_seconds: i64,
    },
}

fn default_status() -> u16 {
    500
}

fn default_code() -> String {
    "InternalServerException".to_owned()
}

fn default_word() -> String {
    "HIBERNATING".to_owned()
}

fn default_message() -> String {
    "The request is not valid.".to_owned()
}

impl Action {
    /// The action's name, for the journal.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::AccessDenied => "accessDenied",
            Self::ExpiredToken => "expiredToken",
            Self::NotFound => "notFound",
            Self::Validation { .. } => "validation",
            Self::Error5xx { .. } => "error5xx",
            Self::Html503 { .. } => "html503",
            Self::BrokenJson => "brokenJson",
            Self::EndlessBody => "endlessBody",
            Self::OversizedBody { .. } => "oversizedBody",
            Self::UnknownEnum { .. } => "unknownEnum",
            Self::StatusReason { .. } => "statusReason",
            Self::EmptyExportMetadata => "emptyExportMetadata",
            Self::OmitExportMetadata => "omitExportMetadata",
            Self::OmitOutputUri => "omitOutputUri",
            Self::OmitSession => "omitSession",
            Self::OmitFields { .. } => "omitFields",
            Self::OutputUri { .. } => "outputUri",
            Self::Arn { .. } => "arn",
            Self::ReadLag { .. } => "readLag",
            Self::Latency { .. } => "latency",
            Self::ResetBefore => "resetBefore",
            Self::ResetAfter => "resetAfter",
            Self::WrongDate { .. } => "wrongDate",
        }
    }

    /// Whether it falsifies what is told about single sessions, so that a rule with a session
    /// pattern also concerns the lists they appear in.
    #[must_use]
    fn is_per_session(&self) -> bool {
        matches!(
            self,
            Self::UnknownEnum { .. }
                | Self::StatusReason { .. }
                | Self::EmptyExportMetadata
                | Self::OmitExportMetadata
                | Self::OmitOutputUri
                | Self::OmitSession
                | Self::OmitFields { .. }
                | Self::OutputUri { .. }
                | Self::Arn { .. }
                | Self::ReadLag { .. }
        )
    }
}

/// A rule: which calls, which of them, and what goes wrong. Without `nth`, `first` or `every` all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// The operation; absent is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The session's id.
    #[serde(default)]
    pub session: Glob,
    /// The stream group's id.
    #[serde(default)]
    pub group: Glob,
    /// The caller's access key id.
    #[serde(default)]
    pub access_key_id: Glob,
    /// Only this matching call, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Only so many matching calls from the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Every so-many-th matching call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// What goes wrong.
    pub action: Action,
}

impl Rule {
    /// Says what is wrong with the rule itself.
    pub fn check(&self) -> Result<(), String> {
        if self.nth == Some(0) || self.every == Some(0) {
            return Err("nth and every count from 1".to_owned());
        }
        if let Action::Error5xx { status, .. } = self.action
            && !(500..=599).contains(&status)
        {
            return Err(format!("error5xx.status is {status}, not 500 to 599"));
        }
        Ok(())
    }

    pub(super) fn covers(&self, call: &Subject<'_>) -> bool {
        self.operation.is_none_or(|operation| operation == call.operation)
            && self.group.matches(call.group)
            && self.access_key_id.matches(call.access_key_id)
            && self.covers_session(call)
    }

    fn covers_session(&self, call: &Subject<'_>) -> bool {
        match call.session {
            Some(session) => self.session.matches(session),
            None => self.session.is_any() || self.action.is_per_session(),
        }
    }

    pub(super) fn picks(&self, count: u64) -> bool {
        self.nth.is_none_or(|nth| count == nth)
            && self.first.is_none_or(|first| count <= first)
            && self.every.is_none_or(|every| count.is_multiple_of(every))
    }
}
