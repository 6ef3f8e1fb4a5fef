//! Which session a description may be of.

use super::*;
use aws_sdk_gameliftstreams::types::{StreamSessionStatus, StreamSessionSummary};

const REGIONS: [&str; 3] = ["us-west-2", "us-west-1", "eu-central-1"];
const ACCOUNTS: [&str; 2] = ["111122223333", "111122223334"];
/// Group segments of an ARN with their `/`; the older form has none.
const GROUPS: [&str; 6] = ["", "sg-1/", "sg-2/", "SG-1/", "sg-12/", "g-1/"];
const SESSIONS: [&str; 3] = ["ABC", "abc", "ABCD"];

fn asked() -> SessionArn {
    let group = StreamGroupArn {
        region: "us-west-2".parse().unwrap(),
        account: "111122223333".parse().unwrap(),
        group: "sg-1".parse().unwrap(),
    };
    group.session("ABC".parse().unwrap())
}

/// ARNs that name any of these, whether all but the session matches the request, and the session.
fn arns() -> Vec<(String, bool, &'static str)> {
    let homes = REGIONS.iter().flat_map(|region| ACCOUNTS.iter().map(move |account| (region, account)));
    let groups = homes.flat_map(|home| GROUPS.iter().map(move |group| (home, group)));
    let all = groups.flat_map(|of| SESSIONS.iter().map(move |session| (of, session)));
    let arns = all.map(|(((region, account), group), session)| {
        let ours = *region == REGIONS[0] && *account == ACCOUNTS[0] && ["", "sg-1/"].contains(group);
        (format!("arn:aws:gameliftstreams:{region}:{account}:streamsession/{group}{session}"), ours, *session)
    });
    arns.chain(SESSIONS.map(|session| (session.to_owned(), true, session))).collect()
}

#[test]
fn a_description_is_accepted_if_its_arn_is_the_requested_one() {
    for (arn, ours, id) in arns() {
        let output = GetStreamSessionOutput::builder().arn(&arn).status(StreamSessionStatus::Active);
        assert_eq!(session_from_get(&asked(), &output.build()).is_some(), ours && id == "ABC", "{arn}");
    }
}

#[test]
fn a_line_of_a_list_counts_if_all_that_its_arn_names_is_the_groups() {
    for (arn, ours, id) in arns() {
        let line = StreamSessionSummary::builder().arn(&arn).status(StreamSessionStatus::Active).build();
        let listed = session_from_summary(&asked().stream_group(), &line).map(|(session, _)| session);
        assert_eq!(listed, ours.then(|| id.parse().unwrap()), "{arn}");
    }
}
