//! The life cycle and the exports, with a clock that stands still until it is told.

use std::sync::Arc;

use crate::behaviour::{Behaviour, ListMetadata, Override, PendingOutputUri, SecondExport, Switches};
use crate::clock::{Clock, Millis};
use crate::identity::Scope;
use crate::journal::Journal;
use crate::service::exports::{Job, Outcome};
use crate::service::listing::Query;
use crate::service::seed::{Change, ChangeError, Seed};
use crate::service::session::{ExportStatus, Session, Status, View};
use crate::service::status_reason::StatusReason;
use crate::service::world::World;
use crate::wire::error::ApiError;
use crate::wire::request::{List, Start};

const T0: Millis = 1_760_000_000_000;
const GROUP: &str = "sg-1";
const KEY: &str = "AK";

struct Bench {
    world: World,
    scope: Scope,
    now: Millis,
}

impl Bench {
    fn new(set: &str) -> Self {
        let mut switches = Switches::default();
        serde_json::from_str::<crate::behaviour::Changes>(set).expect(set).apply(&mut switches.defaults);
        let journal = Arc::new(Journal::new(10_000, None).unwrap());
        let mut world = World::new(switches, Arc::new(Clock::start()), journal);
        let scope = Scope::new("111122223333", "us-west-2");
        world.add_group(&scope, GROUP, Vec::new());
        Self { world, scope, now: T0 }
    }

    fn start(&mut self, input: Start) -> String {
        self.world.start(&self.scope, GROUP, input, self.now).unwrap().id.clone()
    }

    fn seed(&mut self, json: &str) -> Vec<String> {
        let seed: Seed = serde_json::from_str(json).expect(json);
        self.world.seed(&seed, &self.scope, self.now).unwrap()
    }

    fn pass(&mut self, ms: Millis) -> Vec<Job> {
        self.now += ms;
        self.world.advance(self.now)
    }

    fn session(&self, id: &str) -> &Session {
        self.world.by_id(id).expect(id)
    }

    fn status(&self, id: &str) -> (Status, Option<&str>) {
        let state = self.session(id).state.current();
        (state.status, state.reason.map(StatusReason::word))
    }

    fn export(&mut self, id: &str, uri: &str) -> Result<(), ApiError> {
        self.world.export(id, uri, KEY, self.now)
    }

    fn export_status(&self, id: &str) -> Option<ExportStatus> {
        self.session(id).export_status()
    }

    fn list(&self, list: &List) -> (Vec<&str>, Option<String>) {
        let query = Query { scope: &self.scope, group: Some(GROUP), list, now: self.now };
        let page = self.world.page(&query).unwrap();
        (page.items.iter().map(|(session, _)| session.id.as_str()).collect(), page.next_token)
    }
}

fn pending() -> List {
    List { export_status: Some(ExportStatus::Pending), max_results: 100, ..List::default() }
}

#[test]
fn a_session_becomes_active_by_itself_and_ends_without_a_client() {
    let mut bench = Bench::new("{}");
    let id = bench.start(Start::default());
    bench.pass(999);
    assert_eq!(bench.status(&id), (Status::Activating, None));
    bench.pass(1);
    assert_eq!(bench.status(&id), (Status::Active, None));
    bench.pass(120_000);
    assert_eq!(bench.status(&id), (Status::Terminating, Some("connectionTimeout")));
    bench.pass(500);
    assert_eq!(bench.status(&id), (Status::Terminated, Some("connectionTimeout")));
}

#[test]
fn every_natural_end_has_its_reason() {
    for (status, after, reason) in [
        (Status::Connected, 3_600_000, "idleTimeout"),
        (Status::PendingClientReconnection, 120_000, "reconnectionTimeout"),
        (Status::Reconnecting, 43_199_000, "maxSessionLengthTimeout"),
    ] {
        let mut bench = Bench::new("{}");
        let id = bench.start(Start::default());
        bench.pass(1_000);
        let change = Change { status: Some(status), held: Some(false), ..Change::default() };
        bench.world.change(&id, &change, bench.now).unwrap();
        bench.pass(after - 1);
        assert_eq!(bench.status(&id), (status, None));
        bench.pass(1);
        assert_eq!(bench.status(&id), (Status::Terminating, Some(reason)));
    }
}

#[test]
fn a_session_whose_client_leaves_waits_for_it_or_ends_at_once() {
    for (ends, status, reason) in
        [(false, Status::PendingClientReconnection, None), (true, Status::Terminating, Some("reconnectionTimeout"))]
    {
        let mut bench = Bench::new("{}");
        bench.seed(&format!(r#"{{"ids":["s"],"status":"CONNECTED","endsOnDisconnect":{ends}}}"#));
        bench.world.disconnect("s", bench.now).unwrap();
        assert_eq!(bench.status("s"), (status, reason));
        bench.pass(120_000);
        assert_eq!(bench.status("s").1, Some("reconnectionTimeout"));
        let again = bench.world.disconnect("s", bench.now);
        assert!(matches!(again, Err(ChangeError::Conflict(_))), "{again:?}");
    }
}

#[test]
fn a_session_that_ends_with_its_client_is_never_without_one() {
    let mut bench = Bench::new("{}");
    bench.seed(r#"{"ids":["s"],"status":"CONNECTED","endsOnDisconnect":true}"#);
    for status in [Status::PendingClientReconnection, Status::Reconnecting] {
        let change = Change { status: Some(status), ..Change::default() };
        assert!(bench.world.change("s", &change, bench.now).is_err());
        let seed = Seed { ends_on_disconnect: true, status, ..Seed::default() };
        assert!(bench.world.seed(&seed, &bench.scope, bench.now).is_err());
    }
    assert_eq!(bench.status("s"), (Status::Connected, None));
}

#[test]
fn a_leap_in_time_takes_every_step_at_its_own_time() {
    let mut bench = Bench::new("{}");
    let id = bench.start(Start::default());
    bench.pass(1_000);
    bench.export(&id, "s3://b/x.zip").unwrap();
    let jobs = bench.pass(86_400_000);
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].object, "s3://b/x.zip");
    assert_eq!(bench.session(&id).state.since(), T0 + 1_000 + 120_000 + 500);
}

#[test]
fn terminating_twice_is_fine_but_not_while_activating() {
    let mut bench = Bench::new("{}");
    let id = bench.start(Start::default());
    assert_eq!(bench.world.terminate(&id, bench.now).unwrap_err().code, "ValidationException");
    bench.pass(1_000);
    bench.world.terminate(&id, bench.now).unwrap();
    assert_eq!(bench.status(&id), (Status::Terminating, Some("apiTerminated")));
    bench.world.terminate(&id, bench.now).unwrap();
    bench.pass(500);
    bench.world.terminate(&id, bench.now).unwrap();
    assert_eq!(bench.status(&id), (Status::Terminated, Some("apiTerminated")));
}

#[test]
fn an_export_is_accepted_in_the_four_live_statuses_only() {
    for (status, accepted) in [
        ("ACTIVATING", false),
        ("ACTIVE", true),
        ("CONNECTED", true),
        ("PENDING_CLIENT_RECONNECTION", true),
        ("RECONNECTING", true),
        ("TERMINATING", false),
        ("TERMINATED", false),
        ("ERROR", false),
    ] {
        let mut bench = Bench::new("{}");
        bench.seed(&format!(r#"{{"ids":["s"],"status":"{status}"}}"#));
        let result = bench.export("s", "s3://b/");
        assert_eq!(result.is_ok(), accepted, "{status}");
        if let Err(error) = result {
            assert_eq!(error.code, "ValidationException");
        }
    }
}

#[test]
fn an_export_is_pending_until_the_end_and_then_shows_the_result_of_the_upload() {
    for (outcome, status, reason) in [
        (Outcome::Stored, ExportStatus::Succeeded, None),
        (Outcome::Refused("NoSuchBucket".to_owned()), ExportStatus::Failed, Some("NoSuchBucket")),
        (Outcome::Stuck, ExportStatus::Pending, None),
    ] {
        let mut bench = Bench::new("{}");
        bench.seed(r#"{"ids":["s"]}"#);
        bench.export("s", "s3://b/p/").unwrap();
        assert!(bench.pass(3_600_000).is_empty(), "not while it lives");
        bench.world.terminate("s", bench.now).unwrap();
        assert!(bench.pass(999).is_empty());
        let jobs = bench.pass(1);
        assert_eq!(jobs.len(), 1);
        assert_eq!(jobs[0].object, "s3://b/p/20251009-085320-a-9ZY8X7Wv6-sg-1-s.zip");
        assert_eq!(jobs[0].access_key_id.as_deref(), Some(KEY));
        bench.world.set_switches(Switches::default());
        assert!(bench.pass(1_000).is_empty(), "one upload only, also when everything is planned anew");
        bench.world.finish_upload(jobs[0].seq, outcome, bench.now);
        let export = bench.session("s").export.current().as_deref().unwrap();
        assert_eq!((export.status, export.reason.as_deref()), (status, reason));
    }
}

#[test]
fn what_a_session_in_error_leaves_behind_is_what_the_switch_says() {
    let reason = Some("The stream session ended in ERROR status.");
    for (rule, uploads, status, reason) in [
        ("upload", 1, ExportStatus::Pending, None),
        ("fail", 0, ExportStatus::Failed, reason),
        ("pending", 0, ExportStatus::Pending, None),
    ] {
        let mut bench = Bench::new(&format!(r#"{{"errorExport":"{rule}","retentionMs":60000}}"#));
        bench.seed(r#"{"ids":["error","other"]}"#);
        for (id, end) in [("error", Status::Error), ("other", Status::Terminated)] {
            bench.export(id, "s3://b/").unwrap();
            let change = Change { status: Some(end), ..Change::default() };
            bench.world.change(id, &change, bench.now).unwrap();
        }
        assert!(bench.pass(499).is_empty());
        let jobs = bench.pass(1);
        let of = |id: &str| jobs.iter().filter(|job| job.session == id).count();
        assert_eq!((of("error"), of("other")), (uploads, 1), "{rule}: only ERROR is judged by the switch");
        let export = bench.session("error").export.current().as_deref().unwrap();
        assert_eq!((export.status, export.reason.as_deref()), (status, reason), "{rule}");
        bench.pass(60_000);
        assert_eq!(bench.world.by_id("error").is_some(), rule == "upload", "{rule}: forgotten unless it is uploading");
    }
}

#[test]
fn a_second_export_does_what_the_switch_says() {
    for (rule, other, uri_after) in
        [("replace", true, "s3://b/2.zip"), ("ignore", true, "s3://b/1.zip"), ("refuse", false, "s3://b/1.zip")]
    {
        let mut bench = Bench::new(&format!(r#"{{"secondExport":"{rule}"}}"#));
        bench.seed(r#"{"ids":["s"]}"#);
        bench.export("s", "s3://b/1.zip").unwrap();
        assert!(bench.export("s", "s3://b/1.zip").is_ok(), "the same again is always fine");
        assert_eq!(bench.export("s", "s3://b/2.zip").is_ok(), other, "{rule}");
        let export = bench.session("s").export.current().as_deref().unwrap();
        assert_eq!(export.object.as_deref(), Some(uri_after));
    }
}

#[test]
fn the_uri_while_pending_is_what_the_switch_says() {
    let mut bench = Bench::new("{}");
    bench.seed(r#"{"ids":["s"]}"#);
    bench.export("s", "s3://b/p/").unwrap();
    let export = bench.session("s").export.current().as_deref().unwrap();
    let object = "s3://b/p/20251009-085320-a-9ZY8X7Wv6-sg-1-s.zip";
    assert_eq!(export.shown_uri(PendingOutputUri::Given), Some("s3://b/p/"));
    assert_eq!(export.shown_uri(PendingOutputUri::FinalKey), Some(object));
    assert_eq!(export.shown_uri(PendingOutputUri::Absent), None);
}

#[test]
fn reads_lag_by_as_much_as_the_switches_say() {
    let mut bench = Bench::new(r#"{"getLagMs":1000,"listLagMs":3000,"listFilterLagMs":500}"#);
    bench.seed(r#"{"ids":["s"],"ageSeconds":60}"#);
    bench.export("s", "s3://b/").unwrap();
    let behaviour = bench.world.switches().of("s");
    let seen = |bench: &Bench, view: View| bench.session("s").export.as_of(view.export_at).is_some();
    for (ms, get, list, filter) in
        [(999, false, false, false), (1, true, false, false), (2_000, true, true, false), (500, true, true, true)]
    {
        bench.pass(ms);
        assert_eq!(seen(&bench, View::of_get(&behaviour, bench.now)), get);
        assert_eq!(seen(&bench, View::of_list(&behaviour, bench.now, false)), list);
        assert_eq!(bench.list(&pending()).0.len(), usize::from(filter));
    }
}

#[test]
fn new_sessions_may_not_be_visible_yet_and_old_ones_are_forgotten() {
    let mut bench = Bench::new(r#"{"newSessionLagMs":2000,"retentionMs":60000}"#);
    let id = bench.start(Start::default());
    let all = List { max_results: 100, ..List::default() };
    let found = |bench: &Bench| bench.world.find(&bench.scope, GROUP, &id, bench.now).is_some();
    assert!(!found(&bench) && bench.list(&all).0.is_empty());
    bench.pass(2_000);
    assert!(found(&bench) && bench.list(&all).0.len() == 1);
    bench.world.terminate(&id, bench.now).unwrap();
    bench.pass(60_499);
    assert!(found(&bench));
    bench.pass(1);
    assert!(!found(&bench) && bench.list(&all).0.is_empty());
    assert!(bench.world.groups().values().all(|group| group.sessions().is_empty()));
}

#[test]
fn pages_follow_each_other_without_gaps_or_repeats() {
    let mut bench = Bench::new("{}");
    let ids = bench.seed(r#"{"count":7}"#);
    bench.export(&ids[1], "s3://b/").unwrap();
    let mut list = List { max_results: 3, ..List::default() };
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let (page, token) = bench.list(&list);
        sizes.push(page.len());
        seen.extend(page.iter().map(|id| (*id).to_owned()));
        match token {
            Some(token) => list.next_token = Some(token),
            None => break,
        }
    }
    assert_eq!(sizes, [3, 3, 1]);
    assert_eq!(seen, ids);
    assert_eq!(bench.list(&pending()).0, [ids[1].as_str()]);
}

/// The pages of a list, each read after the one before and what `between` does then.
fn read_pages(bench: &mut Bench, mut list: List, between: impl Fn(&mut Bench)) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    loop {
        let (page, token) = bench.list(&list);
        pages.push(page.into_iter().map(str::to_owned).collect());
        let Some(token) = token else { return pages };
        list.next_token = Some(token);
        between(bench);
    }
}

fn active(max_results: usize) -> List {
    List { status: Some(Status::Active), max_results, ..List::default() }
}

#[test]
fn offset_tokens_are_like_others_while_nothing_changes() {
    let mut bench = Bench::new(r#"{"pageToken":"offset"}"#);
    let ids = bench.seed(r#"{"count":7}"#);
    let pages = read_pages(&mut bench, active(3), |_| ());
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(pages.concat(), ids);
    assert_eq!(read_pages(&mut bench, active(7), |_| ()).len(), 1, "an exact page has no token");
}

#[test]
fn a_session_that_leaves_the_list_shifts_the_pages_of_offset_tokens_only() {
    for (token, expected) in [("session", ["1", "2", "3", "4"].as_slice()), ("offset", &["1", "2", "4"])] {
        let mut bench = Bench::new(&format!(r#"{{"pageToken":"{token}"}}"#));
        bench.seed(r#"{"ids":["1","2","3","4"]}"#);
        let end_first = |bench: &mut Bench| drop(bench.world.terminate("1", bench.now));
        assert_eq!(read_pages(&mut bench, active(2), end_first).concat(), expected, "{token}");
    }
}

#[test]
fn a_session_that_enters_the_list_shifts_the_pages_of_offset_tokens_only() {
    for (token, expected) in [("session", ["1", "2", "3"].as_slice()), ("offset", &["1", "2", "2", "3"])] {
        let mut bench = Bench::new(&format!(r#"{{"pageToken":"{token}"}}"#));
        bench.seed(r#"{"ids":["0"],"status":"CONNECTED"}"#);
        bench.seed(r#"{"ids":["1","2","3"]}"#);
        let change = Change { status: Some(Status::Active), ..Change::default() };
        let enter = |bench: &mut Bench| bench.world.change("0", &change, bench.now).unwrap();
        assert_eq!(read_pages(&mut bench, active(2), enter).concat(), expected, "{token}");
    }
}

#[test]
fn lists_show_what_fits_their_filters_whatever_statuses_sessions_have_had() {
    for set in [
        "{}",
        r#"{"pageToken":"offset"}"#,
        r#"{"listStatusLagMs":1500}"#,
        r#"{"listLagMs":1500}"#,
        r#"{"listFilterLagMs":1500}"#,
    ] {
        let mut bench = Bench::new(set);
        let ids = bench.seed(r#"{"count":12}"#);
        let statuses = [Status::Active, Status::Connected, Status::Reconnecting, Status::Terminated, Status::Error];
        for (step, id) in (0..60).zip(ids.iter().cycle()) {
            let change = Change { status: Some(statuses[step * 7 % statuses.len()]), ..Change::default() };
            bench.world.change(id, &change, bench.now).unwrap();
            bench.export(id, &format!("s3://b/{step}.zip")).ok();
            bench.pass(300);
            bench.world.finish_upload(u64::try_from(step).unwrap() % 12 + 1, Outcome::Stored, bench.now);
            for status in [None].into_iter().chain(statuses.map(Some)) {
                for export_status in [None, Some(ExportStatus::Pending), Some(ExportStatus::Succeeded)] {
                    let list = List { status, export_status, max_results: 100, ..List::default() };
                    assert_eq!(bench.list(&list).0, shown(&bench, &list), "{set}: {list:?}");
                    let pages = read_pages(&mut bench, List { max_results: 2, ..list.clone() }, |_| ());
                    assert_eq!(pages.concat(), shown(&bench, &list), "{set}: {list:?}");
                }
            }
        }
    }
}

/// The sessions that a list has to show, by the plainest reading of its filters.
fn shown<'b>(bench: &'b Bench, list: &List) -> Vec<&'b str> {
    let behaviour = bench.world.switches().of("any");
    let filter = View::of_list(&behaviour, bench.now, false);
    let lag = |at: Millis| at - Millis::try_from(behaviour.list_filter_lag_ms).unwrap();
    let fits = |session: &&Session| {
        let status = session.state.as_of(lag(filter.status_at)).status;
        let export = session.export.as_of(lag(filter.export_at)).as_ref().map(|export| export.status);
        list.status.is_none_or(|wanted| wanted == status)
            && list.export_status.is_none_or(|wanted| Some(wanted) == export)
    };
    bench.world.sessions().filter(fits).map(|session| session.id.as_str()).collect()
}

/// What takes milliseconds takes minutes where each page looks at every session.
#[test]
fn lists_among_10_000_live_and_50_000_ended_sessions_are_quick() {
    let mut bench = Bench::new("{}");
    bench.seed(r#"{"count":50000,"status":"TERMINATED"}"#);
    bench.seed(r#"{"count":10000}"#);
    let started = std::time::Instant::now();
    for _ in 0..2_000 {
        let connected = List { status: Some(Status::Connected), max_results: 100, ..List::default() };
        assert!(bench.list(&connected).0.is_empty() && bench.list(&pending()).0.is_empty());
        assert!(started.elapsed().as_secs() < 10);
    }
    assert_eq!(read_pages(&mut bench, active(100), |_| ()).len(), 100);
    assert!(started.elapsed().as_secs() < 10);
}

#[test]
fn sessions_of_many_groups_are_made_and_listed_quickly() {
    let mut bench = Bench::new("{}");
    for group in 0..500 {
        bench.world.add_group(&bench.scope, &format!("sg-many-{group}"), Vec::new());
    }
    let started = std::time::Instant::now();
    for group in 0..500 {
        bench.seed(&format!(r#"{{"count":20,"group":"sg-many-{group}"}}"#));
    }
    for group in 0..500 {
        let (group, list) = (format!("sg-many-{group}"), active(100));
        let query = Query { scope: &bench.scope, group: Some(&group), list: &list, now: bench.now };
        assert_eq!(bench.world.page(&query).unwrap().items.len(), 20);
    }
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn an_exact_page_has_no_token_and_a_foreign_token_is_refused() {
    let mut bench = Bench::new("{}");
    bench.seed(r#"{"count":3}"#);
    let three = List { max_results: 3, ..List::default() };
    assert_eq!(bench.list(&three).1, None);
    let two = List { max_results: 2, ..List::default() };
    let token = bench.list(&two).1;
    assert!(token.is_some());
    for (list, why) in [
        (List { next_token: token, ..pending() }, "another filter"),
        (List { next_token: Some("zz".to_owned()), ..pending() }, "no hexadecimal"),
        (List { next_token: Some("é1".to_owned()), ..pending() }, "no ASCII"),
    ] {
        let query = Query { scope: &bench.scope, group: Some(GROUP), list: &list, now: bench.now };
        let error = bench.world.page(&query).err().unwrap_or_else(|| panic!("{why}"));
        assert_eq!(error.code, "ValidationException");
    }
}

#[test]
fn the_same_client_token_is_the_same_session() {
    let mut bench = Bench::new("{}");
    let input = |description: &str| Start {
        client_token: Some("t".repeat(32)),
        description: Some(description.to_owned()),
        ..Start::default()
    };
    let id = bench.start(input("a"));
    assert_eq!(bench.start(input("a")), id);
    let other = bench.world.start(&bench.scope, GROUP, input("b"), bench.now).err().unwrap();
    assert_eq!((other.status, other.code.as_str()), (409, "ConflictException"));
}

#[test]
fn held_sessions_stay_until_their_length_ends_them() {
    let mut bench = Bench::new("{}");
    bench.seed(r#"{"ids":["starting"],"status":"ACTIVATING"}"#);
    bench.seed(r#"{"ids":["live"],"sessionLengthSeconds":600}"#);
    bench.pass(599_999);
    assert_eq!(bench.status("starting").0, Status::Activating);
    assert_eq!(bench.status("live").0, Status::Active);
    bench.pass(1);
    assert_eq!(bench.status("live"), (Status::Terminating, Some("maxSessionLengthTimeout")));
    bench.world.change("starting", &Change { held: Some(false), ..Change::default() }, bench.now).unwrap();
    bench.pass(999);
    assert_eq!(bench.status("starting").0, Status::Activating);
    bench.pass(1);
    assert_eq!(bench.status("starting").0, Status::Active);
}

#[test]
fn seeded_exports_are_as_configured() {
    let mut bench = Bench::new("{}");
    bench.seed(r#"{"ids":["foreign"],"export":{"outputUri":"s3://their/x.zip"}}"#);
    bench.seed(r#"{"ids":["frozen"],"export":{"outputUri":"s3://b/","frozen":true}}"#);
    bench.seed(r#"{"ids":["mute"],"export":{}}"#);
    bench.seed(r#"{"ids":["done"],"status":"TERMINATED","export":{"status":"SUCCEEDED","outputUri":"s3://b/y.zip"}}"#);
    for id in ["foreign", "frozen", "mute"] {
        assert_eq!(bench.export_status(id), Some(ExportStatus::Pending));
        bench.world.terminate(id, bench.now).unwrap();
    }
    let jobs = bench.pass(10_000);
    assert_eq!(jobs.iter().map(|job| job.object.as_str()).collect::<Vec<_>>(), ["s3://their/x.zip"]);
    assert_eq!(bench.export_status("done"), Some(ExportStatus::Succeeded));
    let taken: Seed = serde_json::from_str(r#"{"ids":["done"]}"#).unwrap();
    assert!(bench.world.seed(&taken, &bench.scope, bench.now).is_err());
}

#[test]
fn new_switches_replan_what_was_planned() {
    let mut bench = Bench::new("{}");
    let id = bench.start(Start::default());
    let slow = Override {
        session: crate::glob::Glob::new(id.clone()),
        set: serde_json::from_str(r#"{"activationDelayMs":5000}"#).unwrap(),
    };
    bench.world.set_switches(Switches { overrides: vec![slow], ..Switches::default() });
    bench.pass(4_999);
    assert_eq!(bench.status(&id).0, Status::Activating);
    bench.pass(1);
    assert_eq!(bench.status(&id).0, Status::Active);
}

#[test]
fn lists_show_as_much_as_the_switches_say() {
    let behaviour = Behaviour::default();
    assert_eq!(View::of_list(&behaviour, T0, false).metadata, ListMetadata::Full);
    assert_eq!(View::of_list(&behaviour, T0, true).metadata, ListMetadata::StatusOnly, "AWS documents it");
    assert_eq!(Behaviour::default().second_export, SecondExport::Replace);
}
