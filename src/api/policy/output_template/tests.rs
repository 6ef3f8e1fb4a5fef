use super::*;
use crate::property;
use proptest::prelude::*;

fn template(text: &str) -> OutputUriTemplate {
    text.parse().unwrap_or_else(|refused| panic!("{text}: {refused}"))
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The values of a session, owned.
#[derive(Debug)]
struct Session {
    group: StreamGroupId,
    session: StreamSessionId,
    application: Option<ApplicationId>,
    location: Option<Location>,
    created: Option<Timestamp>,
}

impl Session {
    fn new() -> Self {
        Self {
            group: "sg-1AB2C3De4".parse().unwrap(),
            session: "ABC123def4567".parse().unwrap(),
            application: Some("a-9ZY8X7Wv6".parse().unwrap()),
            location: Some("us-east-1".parse().unwrap()),
            created: Some(time("2026-01-31T23:59:59.999Z")),
        }
    }

    fn values(&self) -> PlaceholderValues<'_> {
        PlaceholderValues {
            namespace: "team-a",
            policy: "every-session",
            group: &self.group,
            session: &self.session,
            application: self.application.as_ref(),
            location: self.location.as_ref(),
            created: self.created,
        }
    }

    fn expand(&self, text: &str) -> Result<String, ExpandError> {
        template(text).expand(&self.values()).map(|uri| uri.to_string())
    }
}

#[test]
fn each_placeholder_becomes_the_value_of_the_session() {
    for (text, expanded) in [
        ("s3://exports/{sessionId}.zip", "s3://exports/ABC123def4567.zip"),
        ("s3://exports/{streamGroupId}/", "s3://exports/sg-1AB2C3De4/"),
        ("s3://exports/{applicationId}/", "s3://exports/a-9ZY8X7Wv6/"),
        ("s3://exports/{location}/", "s3://exports/us-east-1/"),
        ("s3://exports/{year}/{month}/{day}/{hour}/", "s3://exports/2026/01/31/23/"),
        ("s3://exports/{namespace}-{policy}/", "s3://exports/team-a-every-session/"),
        ("s3://exports/{day}{day}.{sessionId}.ZIP", "s3://exports/3131.ABC123def4567.ZIP"),
        ("s3://exports/plain/", "s3://exports/plain/"),
        (
            "s3://exports/team-a/{applicationId}/{year}/{month}/{day}/{sessionId}.zip",
            "s3://exports/team-a/a-9ZY8X7Wv6/2026/01/31/ABC123def4567.zip",
        ),
    ] {
        assert_eq!(Session::new().expand(text).as_deref(), Ok(expanded), "{text}");
    }
}

#[test]
fn times_are_those_of_utc() {
    let mut session = Session::new();
    for (created, expanded) in [
        ("2026-01-31T20:00:00-05:00", "s3://exports/2026/02/01/01/"),
        ("2026-03-01T00:30:00+01:00", "s3://exports/2026/02/28/23/"),
        ("1970-01-01T00:00:00Z", "s3://exports/1970/01/01/00/"),
    ] {
        session.created = Some(time(created));
        assert_eq!(session.expand("s3://exports/{year}/{month}/{day}/{hour}/").as_deref(), Ok(expanded), "{created}");
    }
}

#[test]
fn a_missing_value_is_an_error_where_the_template_needs_it() {
    let missing = |placeholder| Err(ExpandError::MissingValue(placeholder));
    let mut session = Session::new();
    session.application = None;
    assert_eq!(session.expand("s3://exports/{applicationId}/"), missing(Placeholder::ApplicationId));
    assert!(session.expand("s3://exports/{location}/").is_ok());
    session.location = None;
    assert_eq!(session.expand("s3://exports/{location}/"), missing(Placeholder::Location));
    for created in [None, Some(time("1969-12-31T23:59:59Z")), Some(Timestamp::MIN)] {
        session.created = created;
        assert_eq!(session.expand("s3://exports/{hour}/"), missing(Placeholder::Hour));
    }
    assert!(session.expand("s3://exports/{sessionId}.zip").is_ok());
    let odd = PlaceholderValues { namespace: "", policy: "a/..", ..session.values() };
    assert_eq!(
        template("s3://exports/{namespace}/").expand(&odd),
        Err(ExpandError::MissingValue(Placeholder::Namespace))
    );
    assert_eq!(template("s3://exports/{policy}/").expand(&odd), Err(ExpandError::MissingValue(Placeholder::Policy)));
}

#[test]
fn a_destination_that_is_too_long_with_ids_longer_than_awss_is_an_error() {
    let mut session = Session::new();
    let text = format!("s3://exports/{}/{{sessionId}}.zip", "x".repeat(936));
    session.session = "a".repeat(70).parse().unwrap();
    assert_eq!(session.expand(&text).unwrap().len(), 1024);
    session.session = "a".repeat(71).parse().unwrap();
    assert_eq!(session.expand(&text), Err(ExpandError::TooLong));
}

#[test]
fn the_static_prefix_ends_where_sessions_begin_to_differ() {
    let group = "sg-1".parse().unwrap();
    for (text, prefix) in [
        ("s3://exports/team-a/{sessionId}.zip", "s3://exports/team-a/"),
        ("s3://exports/team-a/x-{sessionId}.zip", "s3://exports/team-a/x-"),
        ("s3://exports/{namespace}/{policy}/{streamGroupId}/{year}/", "s3://exports/ns/p/sg-1/"),
        ("s3://exports/{location}/{namespace}/", "s3://exports/"),
        ("s3://exports/{namespace}/", "s3://exports/ns/"),
        ("s3://exports/a/", "s3://exports/a/"),
    ] {
        assert_eq!(template(text).static_prefix("ns", "p", &group), prefix, "{text}");
    }
}

#[test]
fn it_says_what_must_be_known() {
    let needs = |text: &str| {
        let template = template(text);
        (template.needs_application(), template.needs_location(), template.needs_creation_time())
    };
    assert_eq!(needs("s3://exports/{sessionId}.zip"), (false, false, false));
    assert_eq!(needs("s3://exports/{applicationId}/"), (true, false, false));
    assert_eq!(needs("s3://exports/{location}/"), (false, true, false));
    for part in ["{year}", "{month}", "{day}", "{hour}"] {
        assert_eq!(needs(&format!("s3://exports/{part}/")), (false, false, true));
    }
    assert!(template("s3://exports/{sessionId}.zip").is_zip() && !template("s3://exports/{sessionId}/").is_zip());
}

#[test]
fn each_mistake_is_refused_with_what_is_accepted() {
    for (text, accepted) in [
        ("s3://exports/{sessionID}/", KNOWN_NAMES),
        ("s3://exports/{session}.zip", KNOWN_NAMES),
        ("s3://exports/{}/", KNOWN_NAMES),
        ("s3://exports/{ sessionId }.zip", KNOWN_NAMES),
        ("s3://exports/{minute}/", KNOWN_NAMES),
        ("s3://exports/{{sessionId}}.zip", BRACES),
        ("s3://exports/${sessionId/", BRACES),
        ("s3://exports/sessionId}/", BRACES),
        ("s3://exports/}{/", BRACES),
        ("s3://exports/{sessionId}}/", BRACES),
        ("s3://{namespace}/{sessionId}.zip", BUCKET),
        ("s3://{namespace}", BUCKET),
        ("s3://exports/all.zip", SESSION_IN_ZIP),
        ("s3://exports/{year}.ZIP", SESSION_IN_ZIP),
        ("s3://exports/{sessionId}", GRAMMAR),
        ("s3://exports/{sessionId}.tar", GRAMMAR),
        ("s3://exports/{sessionId}/../x/", GRAMMAR),
        ("s3://exports//{sessionId}.zip", GRAMMAR),
        ("s3://exports/é/{sessionId}.zip", GRAMMAR),
        ("s3://exports/a\n{sessionId}.zip", GRAMMAR),
        ("https://exports/{sessionId}.zip", GRAMMAR),
        ("{sessionId}.zip", GRAMMAR),
        ("s3://ab/{sessionId}.zip", GRAMMAR),
        ("s3://192.168.0.1/{sessionId}.zip", GRAMMAR),
        ("", GRAMMAR),
    ] {
        let refused = text.parse::<OutputUriTemplate>().unwrap_err();
        assert_eq!((refused.what, refused.accepted), ("template.spec.outputUri", accepted), "{text}");
    }
}

#[test]
fn the_longest_values_must_fit() {
    let longest = |text: &str| 1024 - text.len();
    for (placeholder, length) in [
        ("{sessionId}", 70),
        ("{streamGroupId}", 70),
        ("{applicationId}", 70),
        ("{location}", 20),
        ("{year}", 4),
        ("{month}", 2),
        ("{day}", 2),
        ("{hour}", 2),
        ("{namespace}", 63),
        ("{policy}", 63),
    ] {
        let of_length = |filling: usize| format!("s3://exports/{}{placeholder}/", "x".repeat(filling));
        let filling = longest("s3://exports//") - length.max(placeholder.len());
        assert!(of_length(filling).parse::<OutputUriTemplate>().is_ok(), "{placeholder}");
        let refused = of_length(filling + 1).parse::<OutputUriTemplate>().unwrap_err();
        assert_eq!(refused.accepted, LENGTH, "{placeholder}");
    }
}

/// Texts that look almost right.
fn near_templates() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(Placeholder::ALL.map(|placeholder| placeholder.to_string()).to_vec()),
        4 => prop::sample::select(vec!["/", "a", "-", ".", "..", "{", "}", "{}", "{x}", ".zip", "é", "\n", " "])
            .prop_map(str::to_owned),
    ];
    let start = prop::sample::select(vec!["s3://exports/", "s3://exports/a", "s3://", ""]);
    let end = prop::sample::select(vec!["/", ".zip", ".ZIP", "{sessionId}.zip", ""]);
    (start, prop::collection::vec(piece, 0..6), end)
        .prop_map(|(start, pieces, end)| format!("{start}{}{end}", pieces.concat()))
}

fn text_or_none<T: std::str::FromStr + std::fmt::Debug>(pattern: &'static str) -> impl Strategy<Value = Option<T>>
where
    T::Err: std::fmt::Debug,
{
    prop::option::of(pattern.prop_map(|text| text.parse::<T>().unwrap()))
}

fn sessions() -> impl Strategy<Value = Session> {
    (
        "[A-Za-z0-9-]{1,70}",
        "[A-Za-z0-9-]{1,70}",
        text_or_none::<ApplicationId>("[A-Za-z0-9-]{1,70}"),
        text_or_none::<Location>("[A-Za-z0-9-]{1,20}"),
        prop::option::of(-377_705_023_201_i64..=253_402_207_200),
    )
        .prop_map(|(group, session, application, location, created)| Session {
            group: group.parse().unwrap(),
            session: session.parse().unwrap(),
            application,
            location,
            created: created.map(|second| Timestamp::from_second(second).unwrap()),
        })
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    #[test]
    fn an_expanded_template_is_a_destination_of_the_same_shape(text in near_templates(), session in sessions()) {
        let Ok(parsed) = text.parse::<OutputUriTemplate>() else { return Ok(()) };
        prop_assert_eq!(parsed.as_str(), &text);
        match parsed.expand(&session.values()) {
            Ok(uri) => {
                prop_assert!(uri.as_str().starts_with(&parsed.static_prefix("team-a", "every-session", &session.group)));
                let has_brace = uri.as_str().contains(['{', '}']);
                prop_assert!(!has_brace);
                prop_assert_eq!(uri.is_zip(), parsed.is_zip());
                prop_assert_eq!(uri.as_str().matches('/').count(), text.matches('/').count());
                prop_assert!(!parsed.is_zip() || uri.as_str().contains(session.session.as_str()));
            }
            Err(ExpandError::MissingValue(placeholder)) => prop_assert!(parsed.has_placeholder(placeholder)),
            Err(ExpandError::TooLong) => prop_assert!(false, "ids of 70 characters are too long for {}", text),
        }
    }

    #[test]
    fn sessions_with_other_ids_have_other_zips(text in near_templates(), one in sessions(), id in "[A-Za-z0-9-]{1,70}") {
        let other = Session { session: id.parse().unwrap(), group: one.group.clone(), application: one.application.clone(),
            location: one.location.clone(), created: one.created };
        prop_assume!(one.session != other.session);
        let Ok(parsed) = text.parse::<OutputUriTemplate>() else { return Ok(()) };
        // Two in one segment may move characters from one to the other.
        let mentions = text.matches("{sessionId}").count();
        prop_assume!(parsed.is_zip() && mentions == 1);
        if let (Ok(one), Ok(other)) = (parsed.expand(&one.values()), parsed.expand(&other.values())) {
            prop_assert_ne!(one, other);
        }
    }

    #[test]
    fn nothing_hostile_panics(text in any::<String>()) {
        if let Ok(parsed) = text.parse::<OutputUriTemplate>() {
            prop_assert_eq!(parsed.to_string(), text);
        }
    }
}
