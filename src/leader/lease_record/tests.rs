use super::*;
use crate::property;
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

const ME: &str = "me_1";
const OTHER: &str = "other_2";
const SHARD: &str = "{}";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn candidate(identity: &str) -> Candidate {
    Candidate { name: "op".to_owned(), identity: identity.to_owned(), scope: SHARD.to_owned() }
}

fn lease(holder: &str, duration: Option<i32>, renewed: i64) -> Lease {
    let mut lease = empty_record("op");
    lease.metadata.resource_version = Some("7".into());
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(holder.into()),
        lease_duration_seconds: duration,
        acquire_time: Some(MicroTime(at(0))),
        renew_time: Some(MicroTime(at(renewed))),
        lease_transitions: Some(3),
        ..LeaseSpec::default()
    });
    lease
}

fn after(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_next_action_follows_from_the_observed_lease() {
    let t0 = Instant::now();
    let timing = LeaseDurations::default();
    let without_spec = Lease { spec: None, ..empty_record("op") };
    let table = [
        ("no lease", None, 0, LeaseAction::Create),
        ("a lease without a record", Some(without_spec), 0, LeaseAction::Acquire),
        ("released", Some(lease("", Some(1), 0)), 0, LeaseAction::Acquire),
        ("ours", Some(lease(ME, Some(15), 0)), 0, LeaseAction::Renew),
        ("ours, long ago", Some(lease(ME, Some(15), 0)), 100, LeaseAction::Renew),
        ("another's", Some(lease(OTHER, Some(15), 0)), 0, LeaseAction::Wait(t0 + after(15))),
        ("another's, nearly over", Some(lease(OTHER, Some(15), 0)), 14, LeaseAction::Wait(t0 + after(15))),
        ("another's, over", Some(lease(OTHER, Some(15), 0)), 15, LeaseAction::Acquire),
        ("another's promise counts, not ours", Some(lease(OTHER, Some(60), 0)), 15, LeaseAction::Wait(t0 + after(60))),
        ("another's without a promise", Some(lease(OTHER, None, 0)), 14, LeaseAction::Wait(t0 + after(15))),
        ("another's with a senseless promise", Some(lease(OTHER, Some(-5), 0)), 15, LeaseAction::Acquire),
        ("renewed an hour ahead of our clock", Some(lease(OTHER, Some(15), 3600)), 15, LeaseAction::Acquire),
    ];
    for (case, lease, seconds, expected) in table {
        assert_eq!(next(&ObservedLease::new(lease, t0), ME, t0 + after(seconds), timing), expected, "{case}");
    }
}

#[test]
fn only_a_changed_record_is_a_sign_of_life() {
    let t0 = Instant::now();
    let mut observed = ObservedLease::new(Some(lease(OTHER, Some(15), 0)), t0);
    let mut labelled = lease(OTHER, Some(15), 0);
    labelled.metadata.resource_version = Some("8".into());
    observed.updated_lease(Some(labelled), t0 + after(10));
    assert_eq!(next(&observed, ME, t0 + after(15), LeaseDurations::default()), LeaseAction::Acquire);
    assert_eq!(observed.lease_for().unwrap().metadata.resource_version.as_deref(), Some("8"));
    observed.updated_lease(Some(lease(OTHER, Some(15), 2)), t0 + after(16));
    assert_eq!(next(&observed, ME, t0 + after(17), LeaseDurations::default()), LeaseAction::Wait(t0 + after(31)));
}

#[test]
fn creating_taking_over_renewing_and_releasing_write_what_client_go_writes() {
    let spec = |lease: &Lease| lease.spec.clone().unwrap();
    let created = spec(&held_by(None, &candidate(ME), at(9), LeaseDurations::default()));
    assert_eq!(created.lease_transitions, Some(0));
    assert_eq!(created.acquire_time, Some(MicroTime(at(9))));

    let mut found = lease(OTHER, Some(60), 1);
    found.metadata.annotations = Some([("theirs".to_owned(), "kept".to_owned())].into());
    let taken = held_by(Some(&found), &candidate(ME), at(9), LeaseDurations::default());
    let annotations = [("theirs", "kept"), (SCOPE, SHARD)].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(taken.metadata, ObjectMeta { annotations: Some(annotations.into()), ..found.metadata });
    assert_eq!(
        spec(&taken),
        LeaseSpec {
            holder_identity: Some(ME.into()),
            lease_duration_seconds: Some(15),
            acquire_time: Some(MicroTime(at(9))),
            renew_time: Some(MicroTime(at(9))),
            lease_transitions: Some(4),
            ..LeaseSpec::default()
        }
    );

    let renewed = held_by(Some(&taken), &candidate(ME), at(11), LeaseDurations::default());
    assert_eq!(spec(&renewed), LeaseSpec { renew_time: Some(MicroTime(at(11))), ..spec(&taken) });

    let free = spec(&released_lease(&renewed, at(12)));
    assert_eq!((free.holder_identity.as_deref(), free.lease_duration_seconds), (Some(""), Some(1)));
    assert_eq!(free.lease_transitions, Some(4));
    let again = held_by(Some(&released_lease(&renewed, at(12))), &candidate(OTHER), at(13), LeaseDurations::default());
    assert_eq!(spec(&again).lease_transitions, Some(5));
}

/// An event of two replicas that share a Lease.
#[derive(Debug, Clone, Copy)]
enum Happens {
    /// Replica 0 or 1 makes a try.
    Turn(usize),
    /// Replica 0 or 1 makes a try, the server writes, and the answer is lost.
    LostReply(usize),
    /// Replica 0 or 1 releases the lease.
    Release(usize),
    /// This many tenths of a second pass.
    Pass(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    (0..10_u8, any::<bool>(), 1..80_u64).prop_map(|(kind, second, tenths)| match kind {
        0..=4 => Happens::Turn(usize::from(second)),
        5 => Happens::LostReply(usize::from(second)),
        6 => Happens::Release(usize::from(second)),
        _ => Happens::Pass(tenths),
    })
}

/// One replica: what it has seen, and until when it may act.
struct Replica {
    me: &'static str,
    observed: Option<ObservedLease>,
    acts_until: Option<Instant>,
}

/// A Lease on a server: writes are compare-and-swap by version.
#[derive(Default)]
struct Server {
    lease: Option<Lease>,
    version: u64,
}

impl Server {
    fn swap(&mut self, mut wanted: Lease) -> Option<Lease> {
        let expected = self.lease.as_ref().and_then(|l| l.metadata.resource_version.clone());
        if wanted.metadata.resource_version != expected {
            return None;
        }
        self.version += 1;
        wanted.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(wanted.clone());
        Some(wanted)
    }
}

fn run_replica(replica: &mut Replica, server: &mut Server, now: Instant, wall: Timestamp, reply_lost: bool) {
    let timing = LeaseDurations::default();
    let observed = replica.observed.get_or_insert_with(|| ObservedLease::new(server.lease.clone(), now));
    if replica.acts_until.is_none_or(|until| now >= until) {
        observed.updated_lease(server.lease.clone(), now);
    }
    if let LeaseAction::Wait(_) = next(observed, replica.me, now, timing) {
        replica.acts_until = None;
        return;
    }
    let written = server.swap(held_by(observed.lease_for(), &candidate(replica.me), wall, timing));
    if reply_lost {
        return;
    }
    match written {
        Some(lease) => {
            observed.updated_lease(Some(lease), now);
            replica.acts_until = Some(now + timing.renew_deadline);
        }
        None => observed.updated_lease(server.lease.clone(), now),
    }
    if observed.holder_of() != replica.me {
        replica.acts_until = None;
    }
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    #[test]
    fn never_two_that_may_act(story in prop::collection::vec(happens(), 0..200), skew in -4000_i64..4000) {
        let start = Instant::now();
        let mut now = start;
        let mut server = Server::default();
        let mut replicas = [ME, OTHER].map(|me| Replica { me, observed: None, acts_until: None });
        for event in story {
            let elapsed = i64::try_from(now.duration_since(start).as_secs()).unwrap();
            match event {
                Happens::Pass(tenths) => now += Duration::from_millis(100 * tenths),
                Happens::Turn(i) | Happens::LostReply(i) => {
                    let wall = at(elapsed + if i == 0 { 0 } else { skew });
                    let lost = matches!(event, Happens::LostReply(_));
                    run_replica(&mut replicas[i], &mut server, now, wall, lost);
                }
                Happens::Release(i) => {
                    // The replica stops acting first; a write with a stale version fails.
                    if replicas[i].acts_until.take().is_some()
                        && let Some(lease) = replicas[i].observed.as_ref().and_then(ObservedLease::lease_for)
                    {
                        server.swap(released_lease(lease, at(elapsed)));
                    }
                    replicas[i].observed = None;
                }
            }
            let acting = replicas.iter().filter(|r| r.acts_until.is_some_and(|until| now < until)).count();
            prop_assert!(acting <= 1, "both act");
        }
    }

    #[test]
    fn a_renewal_changes_nothing_but_the_time(renewed in 0..1_000_i64, wall in 1_000..2_000_i64) {
        let held = lease(ME, Some(15), renewed);
        let again = held_by(Some(&held), &candidate(ME), at(wall), LeaseDurations::default());
        let mut expected = held;
        expected.spec.as_mut().unwrap().renew_time = Some(MicroTime(at(wall)));
        expected.metadata.annotations = Some([(SCOPE.to_owned(), SHARD.to_owned())].into());
        prop_assert_eq!(again, expected);
    }
}
