use super::*;
use crate::api::ExportStatus;
use crate::export::fixtures::{ExportBuilder, export, identity};

const RULES: &str = r#"[
    {namespaces: [team], streamGroups: ["*"], outputPrefixes: ["s3://bucket/team/"]},
    {namespaces: [team], streamGroups: ["*"], outputPrefixes: ["s3://bucket/retired/"], exports: false}]"#;

fn why(builder: ExportBuilder) -> Option<Uncovered> {
    match identity(RULES).authorize(Arc::new(builder.build()), false) {
        Authorization::Covered(_) => None,
        Authorization::Uncovered(_, why) => Some(why),
    }
}

#[test]
fn what_a_status_says_covers_nothing() {
    for builder in [export(), export().intended(), export().accepted()] {
        let elsewhere = builder.to("s3://bucket/elsewhere/");
        assert!(matches!(why(elsewhere), Some(Uncovered::Forbidden { .. })));
    }
    for builder in [export(), export().intended(), export().accepted()] {
        assert_eq!(why(builder), None);
    }
}

#[test]
fn a_retired_rule_covers_what_has_been_requested_and_nothing_else() {
    let retired = || export().to("s3://bucket/retired/");
    assert_eq!(why(retired()), Some(Uncovered::Retired));
    for requested in [retired().intended(), retired().accepted()] {
        let Authorization::Covered(covered) = identity(RULES).authorize(Arc::new(requested.build()), false) else {
            panic!()
        };
        assert!(!covered.may_request());
        assert_eq!(covered.prefix().as_str(), "s3://bucket/retired/");
    }
    // The status was cleared by hand; the process still knows of the request.
    assert!(matches!(identity(RULES).authorize(Arc::new(retired().build()), true), Authorization::Covered(_)));
}

#[test]
fn a_refusal_names_the_other_account_but_not_the_operators_own() {
    let arn = |account: &str| format!("arn:aws:gameliftstreams:us-west-2:{account}:streamgroup/sg-1");
    assert_eq!(why(export().of_group(&arn("111122223333"))), None);
    let named = "999988887777".parse().unwrap();
    assert_eq!(why(export().of_group(&arn("999988887777"))), Some(Uncovered::OtherAccount { named }));
}

#[test]
fn a_region_that_no_rule_holds_in_is_forbidden_and_the_rule_to_add_names_it() {
    let Some(Uncovered::Forbidden { missing_rule }) = why(export().in_region("eu-central-1")) else { panic!() };
    assert!(missing_rule.ends_with(r#"regions: ["eu-central-1"]}"#), "{missing_rule}");
}

#[test]
fn what_a_rule_with_exports_covers_may_be_requested() {
    let Authorization::Covered(covered) = identity(RULES).authorize(Arc::new(export().build()), false) else {
        panic!()
    };
    assert!(covered.may_request());
}

#[test]
fn only_an_unfinished_request_that_no_rule_covers_is_left_as_it_stands() {
    let elsewhere = || export().to("s3://bucket/elsewhere/");
    let failed = ExportStatus::Failed;
    for (left, builder) in [
        (true, elsewhere().intended()),
        (true, elsewhere().accepted()),
        (false, elsewhere()),
        (false, elsewhere().finished(failed)),
        (false, elsewhere().intended().finished(failed)),
        (false, export().intended()),
    ] {
        let authorization = identity(RULES).authorize(Arc::new(builder.build()), false);
        assert_eq!(authorization.is_left_as_it_stands(), left, "{:?}", authorization.export().status);
    }
}
