//! Throttling storms at a thousand objects: a model of AWS that counts the operator's and the customer's own calls.

use crate::quota::scheduler::tests::{export, holder, ms};
use crate::quota::scheduler::*;
use crate::quota::scheduler::{ClientState, PriorityClass};
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

/// Instants of calls, by result.
#[derive(Default)]
struct Journal {
    tried: Vec<(Instant, Arc<str>)>,
    accepted: Vec<(Instant, Arc<str>)>,
    customers: Vec<(Instant, bool)>,
}

#[derive(Clone)]
struct Storm {
    scheduler: QuotaScheduler,
    quota: Arc<Mutex<Quota>>,
    journal: Arc<Mutex<Journal>>,
}

/// Session number `n` of a namespace: the higher, the nearer to its end.
fn urgency(n: u64) -> Priority {
    let end = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(100_000 - n));
    Priority { purpose: PriorityClass::First, client: ClientState::Connected, end }
}

impl Storm {
    fn new() -> (Self, PermitReceiver) {
        let (scheduler, permits, _) = QuotaScheduler::new(QuotaConfig::default(), Instant::now());
        tokio::spawn(scheduler.clone().run());
        let quota = Arc::new(Mutex::new(Quota { tokens: Quota::RATE, filled: Instant::now() }));
        (Self { scheduler, quota, journal: Arc::default() }, permits)
    }

    /// The customer's backend calls at a steady rate, independently of the operator.
    async fn customer(self, per_second: f64) {
        let begun = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
        while begun.elapsed() < STORM {
            tick.tick().await;
            let now = Instant::now();
            let admitted = self.quota.lock().admits(now);
            self.journal.lock().customers.push((now, admitted));
        }
    }

    /// `uid` is `NAMESPACE/NUMBER`.
    fn ask(&self, uid: &Arc<str>) -> Option<Permit> {
        let (namespace, number) = uid.split_once('/').unwrap();
        match self.scheduler.reserve(
            &export(),
            holder(namespace, uid),
            urgency(number.parse().unwrap()),
            Instant::now(),
        ) {
            Reservation::Granted(permit) => Some(permit),
            Reservation::Waiting { .. } => None,
        }
    }

    /// The shell with one permit: writes for a while, sends, and reserves again if AWS throttles.
    async fn work(self, permit: Permit) {
        let uid = permit.uid().clone();
        tokio::time::sleep(ms(20)).await;
        let Ok(begun) = permit.acquire().await else { return };
        tokio::time::sleep(ms(15)).await;
        let now = Instant::now();
        self.journal.lock().tried.push((begun, uid.clone()));
        if self.quota.lock().admits(now) {
            return self.journal.lock().accepted.push((now, uid));
        }
        self.scheduler.on_throttled(&export(), begun, now);
        tokio::time::sleep(ms(1000)).await;
        self.come(&uid);
    }

    fn come(&self, uid: &Arc<str>) {
        if let Some(permit) = self.ask(uid) {
            tokio::spawn(self.clone().work(permit));
        }
    }

    async fn serve(self, mut permits: PermitReceiver) {
        while let Some(permit) = permits.recv().await {
            tokio::spawn(self.clone().work(permit));
        }
    }

    fn share(&self) -> f64 {
        self.scheduler.bucket_stats(Instant::now())[0].share_in_force
    }
}

/// A thousand objects in 20 namespaces, one of which has 900, while the customer takes 15 of 20.
#[tokio::test(start_paused = true)]
async fn a_storm_spares_the_customer_is_fair_and_passes() {
    let (storm, permits) = Storm::new();
    tokio::spawn(storm.clone().serve(permits));
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
    let journal = storm.journal.lock();
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

/// The small teams are done when the big team has had about as many calls as each of them.
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
    // The very first reservations were requested before the others were queued.
    let inversions = numbers[2..].windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!(inversions <= 2, "{inversions}: {numbers:?}");
}
