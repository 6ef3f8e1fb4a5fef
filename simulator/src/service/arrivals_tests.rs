//! Arrivals, with a clock that stands still until it is told.

use super::*;
use crate::behaviour::Switches;
use crate::clock::Clock;
use crate::journal::Journal;
use crate::service::session::Status;
use crate::service::status_reason::StatusReason;

const T0: Millis = 1_760_000_000_000;
/// ACTIVATING and TERMINATING take so long.
const ACTIVATION: Millis = 1_000;
const END: Millis = 500;

struct Bench {
    world: World,
    home: Scope,
    now: Millis,
}

impl Bench {
    fn new() -> Self {
        let journal = Arc::new(Journal::new(10, None).unwrap());
        let mut world = World::new(Switches::default(), Arc::new(Clock::start()), journal);
        let home = Scope::new("111122223333", "us-west-2");
        for id in ["sg-1", "sg-2", "sg-3"] {
            world.add_group(&home, id, Vec::new());
        }
        world.add_group(&home, "sg-limited", vec!["a-1".to_owned()]);
        Self { world, home, now: T0 }
    }

    fn start(&mut self, json: &str) -> Result<u64, String> {
        let plan = serde_json::from_str(json).expect(json);
        self.world.start_arrivals(plan, &self.home, self.now)
    }

    fn pass(&mut self, ms: Millis) {
        self.now += ms;
        self.world.advance(self.now);
    }

    fn sessions(&self, id: u64) -> Vec<&Session> {
        self.world.arrivals()[&id].sessions.iter().filter_map(|seq| self.world.by_seq(*seq)).collect()
    }

    fn statuses(&self, id: u64) -> Vec<(Millis, Status, Option<&'static str>)> {
        let session = self.sessions(id)[0];
        let versions = session.state.versions();
        versions.map(|(at, state)| (at - T0, state.status, state.reason.map(StatusReason::word))).collect()
    }

    /// All that was drawn, and when what happened.
    fn story(&self, id: u64) -> Vec<String> {
        let tell = |session: &&Session| {
            let versions: Vec<_> = session.state.versions().map(|(at, state)| (at - T0, state.status)).collect();
            let Session { id, group, application, location, .. } = session;
            format!("{id} {group} {application} {location} {versions:?}")
        };
        self.sessions(id).iter().map(tell).collect()
    }
}

#[test]
fn sessions_arrive_evenly_until_their_time_or_their_number_is_over() {
    for (limit, expected) in [(r#""forSeconds":3"#, 30), (r#""count":7"#, 7), (r#""count":7,"forSeconds":0.25"#, 3)] {
        let mut bench = Bench::new();
        let id = bench.start(&format!(r#"{{"perSecond":10,{limit}}}"#)).unwrap();
        bench.pass(0);
        assert_eq!(bench.sessions(id).len(), 1, "the first comes at once");
        bench.pass(99);
        assert_eq!(bench.sessions(id).len(), 1);
        bench.pass(86_400_000);
        let times: Vec<_> = bench.sessions(id).iter().map(|session| session.created_at - T0).collect();
        assert_eq!(times, (0..expected).map(|n| n * 100).collect::<Vec<_>>(), "{limit}");
        assert!(!bench.world.arrivals()[&id].is_running() && bench.world.next_arrival().is_none());
    }
}

#[test]
fn a_session_starts_has_a_client_and_ends_by_itself() {
    for (plan, connected, end) in [
        (r#""connectSeconds":[2,2]"#, Some(2_000), "applicationExit"),
        (r#""connectSeconds":[2,2],"endsOnDisconnect":true"#, Some(2_000), "reconnectionTimeout"),
        (r#""connectSeconds":[60,60]"#, None, "connectionTimeout"),
    ] {
        let mut bench = Bench::new();
        let id = bench.start(&format!(r#"{{"count":1,"lifetimeSeconds":[30,30],{plan}}}"#)).unwrap();
        bench.pass(3_600_000);
        let over = ACTIVATION + 30_000;
        let mut expected = vec![(0, Status::Activating, None), (ACTIVATION, Status::Active, None)];
        expected.extend(connected.map(|after| (ACTIVATION + after, Status::Connected, None)));
        expected.push((over, Status::Terminating, Some(end)));
        expected.push((over + END, Status::Terminated, Some(end)));
        assert_eq!(bench.statuses(id), expected, "{plan}");
        let session = bench.sessions(id)[0];
        let times = [session.activated_at, session.connected_at, session.ended_at()];
        assert_eq!(
            times,
            [Some(ACTIVATION), connected.map(|ms| ACTIVATION + ms), Some(over)].map(|at| at.map(|ms| T0 + ms))
        );
    }
}

#[test]
fn a_client_may_leave_some_time_before_the_end() {
    let mut bench = Bench::new();
    let plan = r#"{"count":1,"lifetimeSeconds":[30,30],"connectSeconds":[1,1],"disconnectedSeconds":[10,10]}"#;
    let id = bench.start(plan).unwrap();
    bench.pass(3_600_000);
    let states = bench.statuses(id);
    assert!(states.contains(&(ACTIVATION + 20_000, Status::PendingClientReconnection, None)), "{states:?}");
    assert!(states.contains(&(ACTIVATION + 30_000, Status::Terminating, Some("reconnectionTimeout"))), "{states:?}");
}

#[test]
fn a_session_longer_than_an_hour_is_not_idle_but_its_length_ends_it() {
    let mut bench = Bench::new();
    let id = bench.start(r#"{"count":1,"lifetimeSeconds":[80000,80000],"sessionLengthSeconds":40000}"#).unwrap();
    bench.pass(86_400_000);
    let end = bench.statuses(id)[3];
    assert_eq!(end, (40_000_000, Status::Terminating, Some("maxSessionLengthTimeout")));
}

const MANY: &str = r#"{"perSecond":10,"count":200,"lifetimeSeconds":[20,120],"groups":["sg-1","sg-2","sg-3"],
    "applications":["a-1","a-2"],"locations":["us-east-1","eu-west-1"],"prefix":"arrived-"}"#;

#[test]
fn the_same_seed_gives_the_same_sessions_however_the_time_passes() {
    let run = |seed: u64, step: Millis| {
        let mut bench = Bench::new();
        let id = bench.start(&MANY.replace("\"count\"", &format!("\"seed\":{seed},\"count\""))).unwrap();
        (0..200_000 / step).for_each(|_| bench.pass(step));
        bench.story(id)
    };
    let story = run(1, 200_000);
    assert_eq!(story.len(), 200);
    assert_eq!(story, run(1, 250));
    assert!(story.iter().zip(run(2, 200_000)).all(|(one, other)| *one != other));
}

#[test]
fn what_is_drawn_comes_from_the_plan_and_all_of_it() {
    let mut bench = Bench::new();
    let id = bench.start(MANY).unwrap();
    bench.pass(200_000);
    let sessions = bench.sessions(id);
    let lives = sessions.iter().map(|session| session.ended_at().unwrap() - session.activated_at.unwrap());
    assert!(lives.clone().all(|ms| (20_000..=120_000).contains(&ms)) && lives.clone().any(|ms| ms < 30_000));
    assert!(lives.clone().any(|ms| ms > 110_000));
    for wanted in ["sg-1", "sg-2", "sg-3", "a-1", "a-2", "us-east-1", "eu-west-1"] {
        let is_of = |session: &&&Session| {
            [&session.group, &session.application, &session.location].iter().any(|word| ***word == *wanted)
        };
        assert!(sessions.iter().filter(is_of).count() > 40, "{wanted}");
    }
    assert!(sessions.iter().all(|session| session.id.starts_with("arrived-")));
}

#[test]
fn arrivals_of_the_same_seed_have_other_ids() {
    let mut bench = Bench::new();
    let (first, second) = (bench.start(MANY).unwrap(), bench.start(MANY).unwrap());
    bench.pass(20_000);
    let ids: std::collections::HashSet<_> =
        [first, second].into_iter().flat_map(|id| bench.sessions(id)).map(|s| &s.id).collect();
    assert_eq!(ids.len(), 400);
}

#[test]
fn stopped_arrivals_bring_no_more_and_those_that_have_come_live_on() {
    let mut bench = Bench::new();
    let (first, second) = (bench.start(MANY).unwrap(), bench.start(MANY).unwrap());
    bench.pass(1_000);
    assert!(bench.world.stop_arrivals(Some(first)) && !bench.world.stop_arrivals(Some(9)));
    bench.pass(5_000);
    assert_eq!((bench.sessions(first).len(), bench.sessions(second).len()), (11, 61));
    assert!(bench.sessions(first).iter().all(|session| session.status().is_live()));
    assert!(bench.world.stop_arrivals(None));
    bench.pass(200_000);
    assert_eq!(bench.sessions(second).len(), 61);
    assert!(bench.sessions(second).iter().all(|session| session.status() == Status::Terminated));
}

#[test]
fn pushed_time_brings_its_arrivals_or_is_skipped() {
    for (skips, expected) in [(false, 601), (true, 1)] {
        let mut bench = Bench::new();
        let id = bench.start(&format!(r#"{{"perSecond":10,"forSeconds":61,"skipPushedTime":{skips}}}"#)).unwrap();
        bench.pass(0);
        bench.world.postpone_arrivals(60_000);
        bench.pass(60_000);
        assert_eq!(bench.sessions(id).len(), expected);
        bench.pass(100);
        assert_eq!(bench.sessions(id).len(), expected + 1, "the next comes as it would have");
        bench.pass(3_600_000);
        assert_eq!(bench.sessions(id).len(), 610);
    }
}

#[test]
fn a_plan_that_cannot_be_is_refused_with_its_mistake() {
    for (json, word) in [
        (r#"{"perSecond":0}"#, "perSecond"),
        (r#"{"perSecond":1001}"#, "perSecond"),
        (r#"{"lifetimeSeconds":[20,10]}"#, "lifetimeSeconds"),
        (r#"{"lifetimeSeconds":[-1,10]}"#, "lifetimeSeconds"),
        (r#"{"connectSeconds":[0,86401]}"#, "connectSeconds"),
        (r#"{"disconnectedSeconds":[2,1]}"#, "disconnectedSeconds"),
        (r#"{"disconnectedSeconds":[1,2],"endsOnDisconnect":true}"#, "disconnectedSeconds"),
        (r#"{"forSeconds":0}"#, "forSeconds"),
        (r#"{"count":0}"#, "count"),
        (r#"{"applications":[]}"#, "applications"),
        (r#"{"applications":["a b"]}"#, "applications"),
        (r#"{"locations":["us_west_2"]}"#, "locations"),
        (r#"{"prefix":"a/b"}"#, "prefix"),
        (r#"{"groups":["sg-none"]}"#, "sg-none"),
        (r#"{"region":"eu-central-1"}"#, "no group"),
        (r#"{"groups":["sg-limited"]}"#, "a-9ZY8X7Wv6"),
    ] {
        let error = Bench::new().start(json).unwrap_err();
        assert!(error.contains(word), "{json}: {error}");
    }
    assert!(Bench::new().start(r#"{"groups":["sg-limited"],"applications":["a-1"]}"#).is_ok());
    assert!(serde_json::from_str::<ArrivalPlan>(r#"{"rate":1}"#).is_err());
}
