//! The constraints of AWS's model, and the words in which AWS says that one does not hold.

use std::sync::OnceLock;

use regex::Regex;

use crate::wire::error::ApiError;

/// A string shape of the model.
#[derive(Debug)]
pub struct Text {
    min: usize,
    max: usize,
    /// To hold for the whole text.
    pattern: Option<&'static str>,
    compiled: OnceLock<Option<Regex>>,
    sensitive: bool,
}

impl Text {
    const fn new(min: usize, max: usize) -> Self {
        Self { min, max, pattern: None, compiled: OnceLock::new(), sensitive: false }
    }

    const fn pattern(mut self, source: &'static str) -> Self {
        self.pattern = Some(source);
        self
    }

    const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// The pattern, if the text breaks it.
    fn broken_pattern(&self, text: &str) -> Option<&'static str> {
        let source = self.pattern?;
        let compiled = self.compiled.get_or_init(|| Regex::new(&format!("^(?:{source})$")).ok());
        let holds = compiled.as_ref().is_some_and(|regex| regex.is_match(text));
        (!holds).then_some(source)
    }
}

/// `Identifier`
pub static IDENTIFIER: Text =
    Text::new(1, 128).pattern("(^[a-zA-Z0-9-]+$)|(^arn:aws:gameliftstreams:([^: ]*):([0-9]{12}):([^: ]*)$)");
/// `OutputUri`
pub static OUTPUT_URI: Text = Text::new(0, 1024).pattern(r"s3://.*(/|\.zip|\.ZIP)");
/// `ClientToken`
pub static CLIENT_TOKEN: Text = Text::new(32, 128).pattern(r"[\x21-\x7E]+");
/// `Description`
pub static DESCRIPTION: Text = Text::new(1, 80).pattern("[a-zA-Z0-9-_.!+@/][a-zA-Z0-9-_.!+@/ ]*");
/// `SignalRequest`
pub static SIGNAL_REQUEST: Text = Text::new(1, usize::MAX).sensitive();
/// `UserId`
pub static USER_ID: Text = Text::new(0, 1024).pattern("[-_a-zA-Z0-9/=+]*");
/// `LocationName`
pub static LOCATION: Text = Text::new(1, 20).pattern("[a-zA-Z0-9-]+");
/// `EnvironmentVariablesKeyString`
pub static ENV_KEY: Text = Text::new(1, 256).pattern("[_a-zA-Z][_a-zA-Z0-9]*");
/// `EnvironmentVariablesValueString`
pub static ENV_VALUE: Text = Text::new(0, 4096);
/// `IamRoleArn`
pub static ROLE_ARN: Text = Text::new(20, 2048).pattern(r"arn:aws[a-zA-Z-]*:iam::\d{12}:role/.+").sensitive();

/// `Protocol`
pub const PROTOCOLS: &[&str] = &["WebRTC"];
/// `StreamSessionStatus`
pub const SESSION_STATUSES: &[&str] = &[
    "ACTIVATING",
    "ACTIVE",
    "CONNECTED",
    "PENDING_CLIENT_RECONNECTION",
    "RECONNECTING",
    "TERMINATING",
    "TERMINATED",
    "ERROR",
];
/// `ExportFilesStatus`
pub const EXPORT_STATUSES: &[&str] = &["SUCCEEDED", "FAILED", "PENDING"];

/// Gathers everything that is wrong with a request, as AWS does.
#[derive(Debug, Default)]
pub struct Checker {
    violations: Vec<String>,
}

impl Checker {
    /// A string.
    pub fn text(&mut self, member: &str, value: &str, shape: &Text) {
        let length = value.chars().count();
        let shown = (!shape.sensitive).then_some(value);
        if length < shape.min {
            self.note(member, shown, &format!("Member must have length greater than or equal to {}", shape.min));
        }
        if length > shape.max {
            self.note(member, shown, &format!("Member must have length less than or equal to {}", shape.max));
        }
        if let Some(pattern) = shape.broken_pattern(value) {
            let words = format!("Member must satisfy regular expression pattern: {pattern}");
            self.note(member, shown, &words);
        }
    }

    /// A word out of a list.
    pub fn word(&mut self, member: &str, value: &str, words: &[&str]) {
        if !words.contains(&value) {
            let set = format!("Member must satisfy enum value set: [{}]", words.join(", "));
            self.note(member, Some(value), &set);
        }
    }

    /// A whole number.
    pub fn number(&mut self, member: &str, value: i64, min: i64, max: i64) {
        let shown = value.to_string();
        if value < min {
            self.note(member, Some(&shown), &format!("Member must have value greater than or equal to {min}"));
        }
        if value > max {
            self.note(member, Some(&shown), &format!("Member must have value less than or equal to {max}"));
        }
    }

    /// The size of a list or map.
    pub fn size(&mut self, member: &str, size: usize, min: usize, max: usize) {
        if size < min {
            self.note(member, None, &format!("Member must have length greater than or equal to {min}"));
        }
        if size > max {
            self.note(member, None, &format!("Member must have length less than or equal to {max}"));
        }
    }

    /// A required member that is not there.
    pub fn absent(&mut self, member: &str) {
        self.note(member, Some("null"), "Member must not be null");
    }

    fn note(&mut self, member: &str, value: Option<&str>, words: &str) {
        let value = match value {
            Some("null") if words.ends_with("null") => "Value null".to_owned(),
            Some(value) => format!("Value '{value}'"),
            None => "Value".to_owned(),
        };
        self.violations.push(format!("{value} at '{member}' failed to satisfy constraint: {words}"));
    }

    /// The ValidationException that names all violations, if there is one.
    pub fn finish(self) -> Result<(), ApiError> {
        let count = self.violations.len();
        if count == 0 {
            return Ok(());
        }
        let errors = if count == 1 { "error" } else { "errors" };
        Err(ApiError::validation(format!("{count} validation {errors} detected: {}", self.violations.join("; "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(shape: &Text, value: &str) -> bool {
        let mut checker = Checker::default();
        checker.text("member", value, shape);
        checker.finish().is_ok()
    }

    #[test]
    fn identifiers() {
        let arn = "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1AB2C3De4";
        for good in ["sg-1AB2C3De4", "a", arn, "arn:aws:gameliftstreams::111122223333:", &"x".repeat(128)] {
            assert!(accepts(&IDENTIFIER, good), "{good}");
        }
        let short_account = arn.replace("111122223333", "11112222333");
        for bad in [
            "",
            "..",
            "a b",
            "a/b",
            "a_b",
            "a\n",
            "ä",
            &short_account,
            &"x".repeat(129),
            "arn:aws-cn:gameliftstreams:r:111122223333:x",
        ] {
            assert!(!accepts(&IDENTIFIER, bad), "{bad}");
        }
    }

    #[test]
    fn output_uris() {
        let longest = format!("s3://{}/", "b".repeat(1018));
        for good in ["s3://b/", "s3://b/p/q.zip", "s3://b/p.ZIP", "s3:///", "s3://b/ü/", &longest] {
            assert!(accepts(&OUTPUT_URI, good), "{good}");
        }
        let too_long = format!("s3://{}/", "b".repeat(1019));
        for bad in
            ["", "s3://b", "s3://b/x.Zip", "S3://b/", "https://b/", " s3://b/", "s3://b/\n/", "s3://b/.zip ", &too_long]
        {
            assert!(!accepts(&OUTPUT_URI, bad), "{bad:?}");
        }
    }

    #[test]
    fn the_other_strings() {
        for (shape, good, bad) in [
            (&CLIENT_TOKEN, "0123456789abcdef0123456789abcdef", "short"),
            (&CLIENT_TOKEN, "~!~!~!~!~!~!~!~!~!~!~!~!~!~!~!~!", "0123456789abcdef 0123456789abcdef"),
            (&DESCRIPTION, "a b-c_d.!+@/", " a"),
            (&DESCRIPTION, "-", "a#"),
            (&USER_ID, "", "a b"),
            (&USER_ID, "a-_/=+Z9", "ä"),
            (&LOCATION, "us-west-2", "us_west_2"),
            (&LOCATION, "abcdefghij0123456789", "abcdefghij0123456789x"),
            (&ENV_KEY, "_A9", "9A"),
            (&ENV_VALUE, "", &"v".repeat(4097)),
            (&ROLE_ARN, "arn:aws:iam::111122223333:role/GameLiftStreams-x", "arn:aws:iam::1:role/GameLiftStreams-x"),
            (&SIGNAL_REQUEST, "x", ""),
        ] {
            assert!(accepts(shape, good), "{good}");
            assert!(!accepts(shape, bad), "{bad}");
        }
    }

    #[test]
    fn all_violations_are_named_in_awss_words() {
        let mut checker = Checker::default();
        checker.text("outputUri", "x", &OUTPUT_URI);
        checker.number("maxResults", 101, 1, 100);
        checker.word("status", "GONE", &["HERE", "THERE"]);
        checker.absent("protocol");
        checker.text("signalRequest", "", &SIGNAL_REQUEST);
        let error = checker.finish().unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (400, "ValidationException"));
        assert_eq!(
            error.message,
            "5 validation errors detected: Value 'x' at 'outputUri' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: s3://.*(/|\\.zip|\\.ZIP); Value '101' at 'maxResults' failed to satisfy \
             constraint: Member must have value less than or equal to 100; Value 'GONE' at 'status' failed to satisfy \
             constraint: Member must satisfy enum value set: [HERE, THERE]; Value null at 'protocol' failed to satisfy \
             constraint: Member must not be null; Value at 'signalRequest' failed to satisfy constraint: Member must \
             have length greater than or equal to 1"
        );
    }
}
