//! What a policy derives from a session's ARN: the name of its SessionExport, and whether it is in the sample.
//!
//! Owns: both hashes. Tests freeze them: another name would be another object for a session that has one, and another
//! sample would leave out sessions that it took before.

use crate::aws::identifiers::SessionArn;
use sha2::{Digest, Sha256};

/// `POLICY-SESSIONID` in lower case, a hyphen, and the first 8 hexadecimal digits of SHA-256 over the canonical session
/// ARN. Ids are case-sensitive and names of objects are not, so the digits tell two sessions apart whose ids differ in
/// case only. At most 63 + 128 + 10 characters; a DNS label's characters only, if `policy` is a DNS label.
pub fn export_name(policy: &str, session: &SessionArn) -> String {
    let [a, b, c, d, ..] = hash_arn(session);
    let digits = u32::from_be_bytes([a, b, c, d]);
    format!("{policy}-{}-{digits:08x}", session.session.as_str().to_ascii_lowercase())
}

/// Whether `percent` (1 to 100) of all sessions include this one: bytes 5 to 12 of the same hash, modulo 100, are less
/// than `percent`. So the decision is the same in every scan and after every restart, and a greater percentage keeps
/// the sessions of a smaller one.
pub fn is_in_sample(session: &SessionArn, percent: u8) -> bool {
    let [_, _, _, _, a, b, c, d, e, f, g, h, ..] = hash_arn(session);
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) % 100 < u64::from(percent)
}

fn hash_arn(session: &SessionArn) -> [u8; 32] {
    Sha256::digest(session.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn arn(group: &str, session: &str) -> SessionArn {
        SessionArn {
            region: "us-west-2".parse().unwrap(),
            account: "111122223333".parse().unwrap(),
            group: group.parse().unwrap(),
            session: session.parse().unwrap(),
        }
    }

    #[test]
    fn names_are_frozen() {
        for (policy, group, session, name) in [
            ("every-session", "sg-1AB2C3De4", "ABC123def4567", "every-session-abc123def4567-326db8ae"),
            ("every-session", "sg-1AB2C3De4", "abc123DEF4567", "every-session-abc123def4567-c9914f9e"),
            ("a", "sg-1", "-", "a---5a69bf4c"),
        ] {
            assert_eq!(export_name(policy, &arn(group, session)), name);
        }
    }

    #[test]
    fn the_longest_name_is_one_of_kubernetes() {
        let name = export_name(&"a".repeat(63), &arn("sg-1", &"B".repeat(128)));
        assert_eq!(name.len(), 201);
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
    }

    #[test]
    fn the_sample_is_frozen_and_a_greater_one_keeps_a_smaller() {
        let session = |n: u32| arn("sg-1AB2C3De4", &format!("session{n}"));
        let sample = |percent| (0..2000).filter(|n| is_in_sample(&session(*n), percent)).collect::<BTreeSet<u32>>();
        assert_eq!(
            sample(1),
            BTreeSet::from([0, 82, 179, 315, 372, 402, 419, 689, 734, 826, 1014, 1049, 1082, 1483, 1941, 1964, 1976])
        );
        let samples = [1, 2, 3, 10, 50, 51, 90, 99, 100].map(|percent| (percent, sample(percent)));
        for ((_, smaller), (percent, greater)) in samples.iter().zip(&samples[1..]) {
            assert!(smaller.is_subset(greater), "{percent}");
            let expected = 20 * usize::from(*percent);
            assert!(greater.len().abs_diff(expected) < 90, "{percent}: {}", greater.len());
        }
        assert_eq!(samples[8].1.len(), 2000);
        // As the ARN of the example: 80 of 100.
        let example = arn("sg-1AB2C3De4", "ABC123def4567");
        assert_eq!([80, 81].map(|percent| is_in_sample(&example, percent)), [false, true]);
    }
}
