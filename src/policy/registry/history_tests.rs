//! Random histories of one policy: arrivals, pages that shift, creations whose answers are lost, a watch that lags,
//! crashes, edits, a policy made again under its name, and a tenant who deletes and takes names.

use super::*;
use crate::api::policy::export_identity::export_name;
use crate::api::policy::request::Selection;
use crate::aws::model::SessionView;
use crate::export::fixtures::{arn, at, identity, timing, wall};
use crate::policy::fixtures::{live, page, policy, scan_end, stored};
use crate::property;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

const RULES: &str = r#"
  - {namespaces: ["*"], streamGroups: ["*"], outputPrefixes: ["s3://bucket/"], policies: true}"#;
/// Sessions on a page of these histories.
const PAGE: usize = 3;
const LOCATIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

#[derive(Debug, Clone)]
enum Event {
    /// A session begins, at one of the locations.
    Arrives(usize),
    /// A session ends, and its export with it.
    Ends(Index),
    /// The next page of the scan is read.
    Page,
    /// An object is requested; how its creation ends is another event.
    Creates,
    /// The API server has made the object, or not; and the answer arrives, or not.
    Answers(Index, bool, bool),
    /// The watch shows the oldest change.
    Shows,
    /// The leader is killed, and another takes over.
    Crash,
    /// The policy selects one location, or all.
    Selects(Option<usize>),
    /// The policy is deleted and made again. The garbage collector comes later.
    MadeAgain,
    /// The garbage collector deletes an object of a policy that is gone.
    Collects,
    /// Somebody deletes an object of the policy that has not finished.
    Deletes(Index),
    /// Somebody has an object of the name that the policy would use.
    TakesName(Index),
    /// Somebody exports a session.
    Exports(Index),
}

fn event() -> impl Strategy<Value = Event> {
    let index = any::<Index>;
    prop_oneof![
        6 => (0..LOCATIONS.len()).prop_map(Event::Arrives),
        2 => index().prop_map(Event::Ends),
        10 => Just(Event::Page),
        8 => Just(Event::Creates),
        8 => (index(), any::<bool>(), any::<bool>()).prop_map(|(n, made, told)| Event::Answers(n, made, told)),
        8 => Just(Event::Shows),
        1 => Just(Event::Crash),
        1 => select(vec![None, Some(0), Some(1)]).prop_map(Event::Selects),
        1 => Just(Event::MadeAgain),
        2 => Just(Event::Collects),
        1 => index().prop_map(Event::Deletes),
        1 => index().prop_map(Event::TakesName),
        1 => index().prop_map(Event::Exports),
    ]
}

/// An object in the API server.
#[derive(Debug, Clone)]
struct Object {
    export: Export,
    session: String,
}

#[derive(Debug, Clone)]
enum Change {
    Stored(Box<Export>),
    Gone(Uid),
}

struct World {
    now: u64,
    made: usize,
    /// Live sessions with their locations, in the order of AWS's list.
    sessions: Vec<(String, &'static str)>,
    objects: BTreeMap<String, Object>,
    changes: Vec<Change>,
    policy: Arc<Policy>,
    selects: Option<usize>,
    registry: PolicyRegistry,
    /// Where the scan's next page begins; the scan began at this second.
    scan: (usize, u64),
    creations: Vec<Creation>,
    /// Sessions whose name somebody else holds, or held while they lived.
    taken: HashSet<String>,
}

fn every_session(uid: usize, selects: Option<usize>) -> Arc<Policy> {
    let selector = selects.map(|n| json!({"locations": [LOCATIONS[n]]}));
    policy(
        "all",
        json!({
            "metadata": {"uid": format!("policy-{uid}"), "generation": uid + selects.map_or(0, |n| n + 1) * 1000},
            "spec": {"selector": selector},
        }),
    )
}

impl World {
    fn new() -> Self {
        let policy = every_session(0, None);
        let mut world = Self {
            now: 0,
            made: 0,
            sessions: Vec::new(),
            objects: BTreeMap::new(),
            changes: Vec::new(),
            policy,
            selects: None,
            registry: PolicyRegistry::new(identity(RULES), "", timing(), 100),
            scan: (0, 0),
            creations: Vec::new(),
            taken: HashSet::new(),
        };
        world.take_over();
        world
    }

    fn take_over(&mut self) {
        self.registry = PolicyRegistry::new(identity(RULES), "", timing(), 100);
        self.registry.upsert_policy(&self.policy, at(self.now).mono);
        self.objects.values().for_each(|object| self.registry.upsert_export(&object.export));
        self.registry.mark_exports_listed();
        (self.creations, self.changes, self.scan) = (Vec::new(), Vec::new(), (0, self.now));
    }

    fn new_uid(&mut self) -> String {
        self.made += 1;
        format!("uid-{}", self.made)
    }

    fn store(&mut self, name: String, session: String, export: Export) {
        self.changes.push(Change::Stored(Box::new(export.clone())));
        self.objects.insert(name, Object { export, session });
    }

    fn remove(&mut self, name: &str) {
        if let Some(gone) = self.objects.remove(name) {
            self.changes.push(Change::Gone(gone.export.uid));
        }
    }

    fn is_selected(&self, location: &str) -> bool {
        self.selects.is_none_or(|n| LOCATIONS[n] == location)
    }

    fn play(&mut self, event: &Event) {
        self.now += 1;
        match event {
            Event::Arrives(n) => {
                let name = format!("s{}", self.new_uid().trim_start_matches("uid-"));
                self.sessions.push((name, LOCATIONS[*n]));
            }
            Event::Ends(n) if !self.sessions.is_empty() => {
                let (ended, _) = self.sessions.remove(n.index(self.sessions.len()));
                let done = json!({"exportStatus": "SUCCEEDED", "completionTime": wall(self.now).to_string()});
                let of_it: Vec<_> = self
                    .objects
                    .iter()
                    .filter(|(_, object)| object.session == ended)
                    .map(|(name, _)| name.clone())
                    .collect();
                for name in of_it {
                    let mut object = self.objects[&name].clone();
                    object.export.status = serde_json::from_value(done.clone()).unwrap();
                    self.store(name, ended.clone(), object.export);
                }
            }
            Event::Page => self.read_page(),
            Event::Creates => {
                let creation = self.registry.next_creation(|_, _| false, at(self.now).mono);
                let known =
                    |one: &Creation| self.registry.exports.has_unfinished(&one.policy.namespace, &one.candidate.arn);
                assert!(!creation.as_ref().is_some_and(known), "the watch has shown an object for its session");
                self.creations.extend(creation);
            }
            Event::Answers(n, made, told) if !self.creations.is_empty() => {
                let creation = self.creations.remove(n.index(self.creations.len()));
                self.answer(&creation, *made, *told);
            }
            Event::Shows => self.show(),
            Event::Crash => self.take_over(),
            Event::Selects(selects) => {
                self.selects = *selects;
                self.change_policy(self.made);
            }
            Event::MadeAgain => {
                let old = self.policy.uid.clone();
                let uid = self.made + 1;
                self.made = uid;
                self.registry.forget_policy(&old);
                self.change_policy(uid);
            }
            Event::Collects => self.collect(),
            Event::Deletes(n) => {
                let own: Vec<_> = self.objects.iter().filter(|(_, object)| self.is_unfinished_own(object)).collect();
                if !own.is_empty() {
                    let name = own[n.index(own.len())].0.clone();
                    self.remove(&name);
                }
            }
            Event::TakesName(n) if !self.sessions.is_empty() => {
                let session = self.sessions[n.index(self.sessions.len())].0.clone();
                let name = export_name("all", &arn(&session));
                if !self.objects.contains_key(&name) {
                    let uid = self.new_uid();
                    let other = crate::export::fixtures::export().named(&name).of_session("unrelated").build();
                    self.taken.insert(session);
                    self.store(name, "unrelated".to_owned(), Export { uid: uid.as_str().into(), ..other });
                }
            }
            Event::Exports(n) if !self.sessions.is_empty() => {
                let session = self.sessions[n.index(self.sessions.len())].0.clone();
                let uid = self.new_uid();
                let mine = crate::export::fixtures::export().named(&uid).of_session(&session).build();
                self.store(uid.clone(), session, Export { uid: uid.as_str().into(), ..mine });
            }
            Event::Ends(_) | Event::Answers(..) | Event::TakesName(_) | Event::Exports(_) => {}
        }
        self.nothing_is_deleted_but_finished_objects_of_the_policy();
    }

    /// A policy that is made again has another uid, an edited one another generation.
    fn change_policy(&mut self, number: usize) {
        let made = every_session(number, self.selects);
        let same = Policy { uid: self.policy.uid.clone(), ..Policy::clone(&made) };
        self.policy = if self.registry.entries.contains_key(&self.policy.uid) { Arc::new(same) } else { made };
        self.registry.upsert_policy(&self.policy, at(self.now).mono);
    }

    fn is_unfinished_own(&self, object: &Object) -> bool {
        object.export.policy.as_ref() == Some(&self.policy.uid) && !object.export.finished()
    }

    /// Reads the next page: pages shift by the sessions that have ended before it. `reconnecting` of the scan: every
    /// second one.
    fn read_page(&mut self) {
        let (from, began) = self.scan;
        let shown: Vec<_> = self.sessions.iter().skip(from).take(PAGE).cloned().collect();
        let views = shown
            .iter()
            .map(|(name, location)| (name.as_str(), SessionView { location: Some((*location).to_owned()), ..live(1) }));
        let views = views.collect();
        self.registry.apply_discovery(page(views), |_, _| false, at(self.now).mono);
        self.scan.0 += PAGE;
        if self.scan.0 >= self.sessions.len() {
            let end = scan_end(began, began % 2 == 0, ScanOutcome::Complete);
            self.registry.apply_discovery(end, |_, _| false, at(self.now).mono);
            self.scan = (0, self.now);
        }
    }

    /// The API server answers a creation. An answer that doesn't arrive is a failure to the operator.
    fn answer(&mut self, creation: &Creation, made: bool, told: bool) {
        let session = creation.candidate.arn.session.to_string();
        let facts = SessionFacts {
            arn: creation.candidate.arn.clone(),
            application: None,
            location: LOCATIONS
                .iter()
                .find(|one| self.sessions.contains(&(session.clone(), one)))
                .map(|one| one.parse().unwrap()),
            created: None,
        };
        let selects = creation.policy.request().select(&facts);
        assert!(facts.location.is_none() || selects == Selection::Selected, "{session} is not selected");
        let outcome = match self.objects.get(&creation.name()) {
            _ if !made => CreationOutcome::Failed,
            Some(object) if object.export.policy.as_ref() == Some(&creation.policy.uid) => {
                CreationOutcome::Made { uid: None }
            }
            Some(object) if object.export.policy.is_some() => CreationOutcome::NotYet,
            Some(_) => CreationOutcome::NameTaken,
            None => {
                let uid = self.new_uid();
                let object = stored(creation.object(), &uid, json!({}));
                self.store(creation.name(), session, object);
                CreationOutcome::Made { uid: Some(uid.as_str().into()) }
            }
        };
        let outcome = if told { outcome } else { CreationOutcome::Failed };
        self.registry.end_creation(creation, outcome, (at(self.now).mono, wall(self.now)));
    }

    fn show(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        match self.changes.remove(0) {
            Change::Stored(export) => self.registry.upsert_export(&export),
            Change::Gone(uid) => self.registry.forget_export(&uid),
        }
    }

    fn collect(&mut self) {
        let gone = |object: &Object| object.export.policy.as_ref().is_some_and(|owner| *owner != self.policy.uid);
        let orphan = self.objects.iter().find(|(_, object)| gone(object)).map(|(name, _)| name.clone());
        orphan.into_iter().for_each(|name| self.remove(&name));
    }

    fn nothing_is_deleted_but_finished_objects_of_the_policy(&self) {
        for export in self.registry.beyond_limits(usize::MAX) {
            let object = self.objects.values().find(|object| object.export.uid == export.uid);
            assert!(object.is_none_or(|object| object.export.policy.is_some() && object.export.finished()));
        }
    }

    /// Nothing changes any more: after two complete scans each live session that the policy selects has an object of the
    /// policy, or another unfinished one in the namespace, or one whose name is taken.
    fn calms_down(&mut self) {
        while self
            .objects
            .values()
            .any(|object| object.export.policy.as_ref().is_some_and(|owner| *owner != self.policy.uid))
        {
            self.collect();
        }
        for creation in std::mem::take(&mut self.creations) {
            self.answer(&creation, false, false);
        }
        while !self.changes.is_empty() {
            self.show();
        }
        self.scan = (0, self.now);
        for _ in 0..2 {
            for _ in 0..=self.sessions.len() / PAGE {
                self.read_page();
                while let Some(creation) = self.registry.next_creation(|_, _| false, at(self.now).mono) {
                    self.answer(&creation, true, true);
                    while !self.changes.is_empty() {
                        self.show();
                    }
                }
            }
        }
        for (session, location) in &self.sessions {
            let has_one = self.objects.values().any(|object| object.session == *session);
            let is_left = !self.is_selected(location) || self.taken.contains(session);
            assert!(has_one || is_left, "{session} is missed");
        }
    }
}

proptest! {
    #![proptest_config(property::config(100, 2_000))]

    #[test]
    fn no_session_is_missed_none_is_exported_that_is_not_selected_and_nothing_else_is_touched(
        events in proptest::collection::vec(event(), 1..80),
    ) {
        let mut world = World::new();
        events.iter().for_each(|event| world.play(event));
        world.calms_down();
    }
}
