//! Throttling storms at a thousand objects: an AWS that counts, and a customer whose own calls it counts as well.

use super::super::*;
use super::{export, holder, ms};
use crate::streams::turns::{ClientState, Purpose};
use std::time::SystemTime;

const STORM: Duration = Duration::from_secs(60);

/// AWS's quota as the simulator has it: a bucket of one second's worth.
struct Quota {
    tokens: f64,
    filled: Instant,
}

impl Quota {
    const RATE: f64 = 20.0;

    fn admits(&mut self, now: Instant) -> bool {
        self.tokens = (self.tokens + now.duration_since(self.filled).as_secs_f64() * Self::RATE).min(Self::RATE);
        self.filled = now;
        let admitted = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(admitted));
        admitted
    }
}

/// Moments, by what became of the call.
#[derive(Default)]
struct Journal {
    tried: Vec<(Instant, Arc<str>)>,
    accepted: Vec<(Instant, Arc<str>)>,
    customers: Vec<(Instant, bool)>,
}

#[derive(Clone)]
struct Storm {
    turns: Turns,
    quota: Arc<Mutex<Quota>>,
    journal: Arc<Mutex<Journal>>,
}

/// Session number `n` of a namespace: the higher, the nearer to its end.
fn urgency(n: u64) -> Urgency {
    let end = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(100_000 - n));
    Urgency { purpose: Purpose::First, client: ClientState::Connected, end }
}

impl Storm {
    fn new() -> (Self, mpsc::UnboundedReceiver<Arc<str>>) {
        let (turns, grants) = Turns::new(Shares { export: 18.0, get: 10.0, list: 10.0 }, Instant::now());
        tokio::spawn(turns.clone().run());
        let quota = Arc::new(Mutex::new(Quota { tokens: Quota::RATE, filled: Instant::now() }));
        (Self { turns, quota, journal: Arc::default() }, grants)
    }

    /// The customer's backend calls at a steady rate, and doesn't know of us.
    async fn customer(self, per_second: f64) {
        let begun = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
        while begun.elapsed() < STORM {
            tick.tick().await;
            let now = Instant::now();
            let admitted = self.quota.lock().unwrap().admits(now);
            self.journal.lock().unwrap().customers.push((now, admitted));
        }
    }

    /// `uid` is `NAMESPACE/NUMBER`.
    fn ask(&self, uid: &Arc<str>) -> Option<Permit> {
        let (namespace, number) = uid.split_once('/').unwrap();
        match self.turns.ask(&export(), holder(namespace, uid), urgency(number.parse().unwrap()), Instant::now()) {
            Turn::Granted(permit) => Some(permit),
            Turn::Waiting { .. } => None,
        }
    }

    /// What the shell does with one turn: writes for a while, sends, and comes again when AWS throttles.
    async fn work(self, uid: Arc<str>, permit: Permit) {
        tokio::time::sleep(ms(20)).await;
        let Ok(begun) = permit.ready().await else { return };
        tokio::time::sleep(ms(15)).await;
        let now = Instant::now();
        self.journal.lock().unwrap().tried.push((begun, uid.clone()));
        if self.quota.lock().unwrap().admits(now) {
            return self.journal.lock().unwrap().accepted.push((now, uid));
        }
        self.turns.throttled(&export(), begun, now);
        tokio::time::sleep(ms(1000)).await;
        self.come(&uid);
    }

    fn come(&self, uid: &Arc<str>) {
        if let Some(permit) = self.ask(uid) {
            tokio::spawn(self.clone().work(uid.clone(), permit));
        }
    }

    async fn serve(self, mut grants: mpsc::UnboundedReceiver<Arc<str>>) {
        while let Some(uid) = grants.recv().await {
            self.come(&uid);
        }
    }

    fn share(&self) -> f64 {
        self.turns.load(Instant::now())[0].share_in_force
    }
}

/// A thousand objects in 20 namespaces, one of which has 900, while the customer takes 15 of 20.
#[tokio::test(start_paused = true)]
async fn a_storm_spares_the_customer_is_fair_and_passes() {
    let (storm, grants) = Storm::new();
    tokio::spawn(storm.clone().serve(grants));
    let begun = Instant::now();
    tokio::spawn(storm.clone().customer(15.0));
    let uids: Vec<Arc<str>> = (0..900)
        .map(|n| format!("big/{n}").into())
        .chain((0..100).map(|n| format!("small-{}/{n}", n % 19).into()))
        .collect();
    uids.iter().for_each(|uid| storm.come(uid));
    tokio::time::sleep_until(begun + STORM).await;
    let lowest = storm.share();
    assert!(lowest < 9.0, "{lowest}");
    tokio::time::sleep(STORM).await;
    assert!(storm.share() >= 0.9 * 18.0, "back to 90 % within 60 s: {}", storm.share());
    tokio::time::sleep(ms(60_000)).await;
    let journal = storm.journal.lock().unwrap();
    assert_eq!(journal.accepted.len(), 1000, "nobody is lost");
    customers_calls(&journal, begun);
    fairness(&journal);
    order(&journal);
}

fn customers_calls(journal: &Journal, begun: Instant) {
    let later: Vec<_> = journal.customers.iter().filter(|(at, _)| *at > begun + ms(2000)).collect();
    let throttled = later.iter().filter(|(_, admitted)| !admitted).count();
    assert!(later.len() >= 860, "{}", later.len());
    println!("{throttled} of {} of the customer's calls throttled", later.len());
    assert!(throttled * 100 <= later.len(), "{throttled} of {}", later.len());
}

/// The small teams have had everything when the big one has had about as much as each of them.
fn fairness(journal: &Journal) {
    let last = journal.accepted.iter().rposition(|(_, uid)| uid.starts_with("small")).unwrap();
    let big = journal.accepted[..last].iter().filter(|(_, uid)| uid.starts_with("big")).count();
    assert!(big <= 20, "{big} of the big team before the last of the small ones");
}

/// Within the big team the nearest end is tried first.
fn order(journal: &Journal) {
    let mut seen = std::collections::HashSet::new();
    let firsts = journal.tried.iter().filter(|(_, uid)| uid.starts_with("big") && seen.insert(uid.clone()));
    let numbers: Vec<u64> = firsts.map(|(_, uid)| uid.rsplit('/').next().unwrap().parse().unwrap()).collect();
    // The very first ones were asked for before the others were there.
    let inversions = numbers[2..].windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!(inversions <= 2, "{inversions}: {numbers:?}");
}
