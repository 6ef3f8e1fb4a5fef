//! Random histories of the queue alone: which holder is next, whatever came before.

use crate::property;
use crate::quota::fair_queue::{FairQueue, QueuedRequest};
use crate::quota::scheduler::tests::holder;
use crate::quota::scheduler::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::SystemTime;

const NAMESPACES: usize = 4;
/// Of this many slots in a row of a namespace, each class with queued holders gets one.
const WRR_SCHEDULE: usize = 8;
const PURPOSES: [PriorityClass; 3] = [PriorityClass::First, PriorityClass::Confirm, PriorityClass::Poll];

#[derive(Debug, Clone)]
enum Act {
    Ask(usize, Priority),
    Withdraw(usize),
    Pop,
    PopAndPutBack,
}

fn urgency() -> impl Strategy<Value = Priority> {
    let purpose = prop::sample::select(&PURPOSES[..]);
    let client = prop_oneof![Just(ClientState::Disconnected), Just(ClientState::Unread), Just(ClientState::Connected)];
    let end =
        proptest::option::of((0_u64..5).prop_map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
    (purpose, client, end).prop_map(|(purpose, client, end)| Priority { purpose, client, end })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => (0_usize..40, urgency()).prop_map(|(who, urgency)| Act::Ask(who, urgency)),
        1 => (0_usize..40).prop_map(Act::Withdraw),
        3 => Just(Act::Pop),
        1 => Just(Act::PopAndPutBack),
    ]
}

/// A queued holder in the model.
#[derive(Debug, Clone, Copy)]
struct Waits {
    returned: bool,
    urgency: Priority,
    since: u64,
}

/// The queued holders, and how often others were preferred.
#[derive(Default)]
struct Model {
    waiting: BTreeMap<usize, Waits>,
    asked: u64,
    /// Slots that the second namespace had while the first waited.
    passed: HashMap<(usize, usize), usize>,
    /// Slots that a namespace had while one of its classes waited.
    starved: HashMap<(usize, PriorityClass), usize>,
}

const fn namespace(who: usize) -> usize {
    who % NAMESPACES
}

impl Model {
    fn ask(&mut self, who: usize, urgency: Priority) {
        self.asked += 1;
        let anew = Waits { returned: false, urgency, since: self.asked };
        self.waiting.entry(who).and_modify(|waits| waits.urgency = urgency).or_insert(anew);
        self.forget_the_absent();
    }

    fn of(&self, space: usize) -> impl Iterator<Item = (&usize, &Waits)> {
        self.waiting.iter().filter(move |(who, _)| namespace(**who) == space)
    }

    /// Checks a slot against all queued holders.
    fn popped(&mut self, who: usize) -> Result<Waits, TestCaseError> {
        let waits = self.waiting.remove(&who);
        prop_assert!(waits.is_some(), "{who} was not waiting");
        let waits = waits.unwrap();
        let (own, purpose) = (namespace(who), waits.urgency.purpose);
        let place = |waits: &Waits| (!waits.returned, waits.urgency, waits.since);
        let before = self.of(own).find(|(_, other)| other.urgency.purpose == purpose && place(other) < place(&waits));
        prop_assert!(before.is_none(), "{who} {waits:?} before {before:?}");
        self.passed.retain(|(waiting, _), _| *waiting != own);
        // Rows without queued holders are removed below.
        for other in (0..NAMESPACES).filter(|other| *other != own) {
            *self.passed.entry((other, own)).or_default() += 1;
        }
        for other in PURPOSES.into_iter().filter(|other| *other != purpose) {
            *self.starved.entry((own, other)).or_default() += 1;
        }
        self.starved.remove(&(own, purpose));
        self.forget_the_absent();
        prop_assert!(
            self.passed.values().all(|scheduler| *scheduler <= 1),
            "two turns to one while others wait: {:?}",
            self.passed
        );
        prop_assert!(self.starved.values().all(|scheduler| *scheduler < WRR_SCHEDULE), "starves: {:?}", self.starved);
        Ok(waits)
    }

    /// The slot was not used.
    fn put_back(&mut self, who: usize, waits: Waits) {
        self.asked += 1;
        self.waiting.insert(who, Waits { returned: true, since: self.asked, ..waits });
        for (_, scheduler) in self.passed.iter_mut().filter(|((_, preferred), _)| *preferred == namespace(who)) {
            *scheduler = scheduler.saturating_sub(1);
        }
    }

    /// Removes the counts of namespaces and classes without queued holders.
    fn forget_the_absent(&mut self) {
        let there: Vec<(usize, PriorityClass)> =
            self.waiting.iter().map(|(who, waits)| (namespace(*who), waits.urgency.purpose)).collect();
        self.passed.retain(|(waiting, _), _| there.iter().any(|(space, _)| space == waiting));
        self.starved.retain(|who, _| there.contains(who));
    }
}

fn pop(queue: &mut FairQueue, model: &mut Model) -> Result<Option<(usize, QueuedRequest, Waits)>, TestCaseError> {
    let Some(waiter) = queue.pop() else {
        prop_assert!(model.waiting.is_empty(), "nobody is next, and these wait: {:?}", model.waiting);
        return Ok(None);
    };
    let who: usize = waiter.holder.uid.parse().unwrap();
    let waits = model.popped(who)?;
    Ok(Some((who, waiter, waits)))
}

fn play(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let (mut queue, mut model) = (FairQueue::default(), Model::default());
    for act in acts {
        match act {
            Act::Ask(who, urgency) => {
                queue.enqueue(holder(&format!("ns-{}", namespace(who)), &who.to_string()), urgency, Instant::now());
                model.ask(who, urgency);
            }
            Act::Withdraw(who) => {
                prop_assert_eq!(queue.cancel(&who.to_string()), model.waiting.remove(&who).is_some());
                model.forget_the_absent();
            }
            Act::Pop => drop(pop(&mut queue, &mut model)?),
            Act::PopAndPutBack => {
                if let Some((who, waiter, waits)) = pop(&mut queue, &mut model)? {
                    queue.put_back(waiter);
                    model.put_back(who, waits);
                }
            }
        }
        prop_assert_eq!(queue.len(), model.waiting.len());
    }
    while pop(&mut queue, &mut model)?.is_some() {}
    Ok(())
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    /// Within a namespace the nearest end goes first, namespaces get one slot each in turn, and no class starves.
    #[test]
    fn random_histories_keep_the_order(acts in prop::collection::vec(act(), 1..200)) {
        play(acts)?;
    }
}

/// A namespace of those with a share.
const DISCOVERY: &str = "/discovery/one";

/// Pops `slots` times while both always wait; each popped holder returns. How many slots went to discovery.
fn reserved_slots(queue: &mut FairQueue, slots: usize, others: usize) -> usize {
    let ask = |queue: &mut FairQueue, namespace: &str, uid: &str| {
        queue.enqueue(holder(namespace, uid), Priority::for_unread(PriorityClass::Poll), Instant::now());
    };
    ask(queue, DISCOVERY, "discovery");
    (0..others).for_each(|n| ask(queue, LISTS_NAMESPACE, &format!("list {n}")));
    let mut count = 0;
    for _ in 0..slots {
        let popped = queue.pop().unwrap().holder;
        count += usize::from(&*popped.namespace == DISCOVERY);
        ask(queue, &popped.namespace, &popped.uid);
    }
    count
}

#[test]
fn a_namespace_with_a_share_has_it_while_others_wait_and_all_slots_while_none_do() {
    for (share, others, slots) in [(0.65, 1, 65), (0.65, 5, 65), (0.05, 1, 5), (0.95, 3, 95), (0.65, 0, 100)] {
        let count = reserved_slots(&mut FairQueue::with_reserved(DISCOVERY_PREFIX, share), 100, others);
        assert!(count.abs_diff(slots) <= 1, "{count} of 100 slots at {share} beside {others}");
    }
}

#[test]
fn namespaces_that_have_a_share_together_take_turns_in_it() {
    let mut queue = FairQueue::with_reserved(DISCOVERY_PREFIX, 0.5);
    let poll = Priority::for_unread(PriorityClass::Poll);
    (0..6).for_each(|n| queue.enqueue(holder("/discovery/crowd", &format!("crowd{n}")), poll, Instant::now()));
    queue.enqueue(holder("/discovery/team", "team"), poll, Instant::now());
    (0..4).for_each(|n| queue.enqueue(holder(LISTS_NAMESPACE, &format!("list{n}")), poll, Instant::now()));
    assert_eq!(queue.len(), 11);
    assert!(queue.queued_since("team").is_some() && queue.cancel("crowd5") && !queue.cancel("crowd5"));
    let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|waiter| waiter.holder.uid.to_string()).collect();
    assert_eq!(order, ["list0", "crowd0", "list1", "team", "list2", "crowd1", "list3", "crowd2", "crowd3", "crowd4"]);
    assert!(queue.is_empty());
}

#[test]
fn slots_that_a_namespace_leaves_are_not_owed_to_it() {
    let mut queue = FairQueue::with_reserved(DISCOVERY_PREFIX, 0.65);
    for n in 0..100 {
        queue.enqueue(
            holder(LISTS_NAMESPACE, &n.to_string()),
            Priority::for_unread(PriorityClass::Poll),
            Instant::now(),
        );
        assert_eq!(&*queue.pop().unwrap().holder.namespace, LISTS_NAMESPACE);
    }
    assert!(reserved_slots(&mut queue, 20, 1) <= 13);
}

#[test]
fn urgent_holders_of_a_namespace_with_a_share_go_before_all_others() {
    let mut queue = FairQueue::with_reserved(DISCOVERY_PREFIX, 0.05);
    for (namespace, uid) in [(LISTS_NAMESPACE, "list"), (DISCOVERY, "one"), (DISCOVERY, "other")] {
        queue.enqueue(holder(namespace, uid), Priority::for_unread(PriorityClass::First), Instant::now());
    }
    let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|waiter| waiter.holder.uid).collect();
    assert_eq!(order.iter().map(|uid| &**uid).collect::<Vec<_>>(), ["one", "other", "list"]);
    assert_eq!(queue.len(), 0);
    for (namespace, uid) in [(DISCOVERY, "later"), (LISTS_NAMESPACE, "list")] {
        queue.enqueue(holder(namespace, uid), Priority::for_unread(PriorityClass::Poll), Instant::now());
    }
    assert_eq!(queue.pop().map(|waiter| waiter.holder.uid), Some("list".into()), "once none is urgent any more");
}

#[test]
fn a_slot_that_a_namespace_with_a_share_puts_back_is_the_next_of_its_own() {
    let mut queue = FairQueue::with_reserved(DISCOVERY_PREFIX, 0.65);
    for uid in ["one", "other"] {
        queue.enqueue(holder(DISCOVERY, uid), Priority::for_unread(PriorityClass::Poll), Instant::now());
    }
    let one = queue.pop().unwrap();
    queue.put_back(one);
    assert!(queue.cancel("other"));
    assert_eq!(queue.pop().map(|waiter| waiter.holder.uid), Some("one".into()));
    assert!(queue.pop().is_none());
}
