//! A minimal shell: uses permits: spends some time as a reconcile does, and sends.

use crate::quota::permit::Requeued;
use crate::quota::scheduler::tests::ms;
use crate::quota::scheduler::*;
use std::collections::HashSet;

/// Sends in order of time, and how often a reservation was put back.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) sends: Mutex<Vec<(Instant, Arc<str>)>>,
    pub(super) put_back: Mutex<usize>,
}

impl Journal {
    pub(super) fn times(&self) -> Vec<Instant> {
        self.sends.lock().iter().map(|(at, _)| *at).collect()
    }

    pub(super) fn uids(&self) -> Vec<String> {
        self.sends.lock().iter().map(|(_, uid)| uid.to_string()).collect()
    }

    pub(super) fn at(&self, uid: &str) -> Instant {
        self.sends.lock().iter().find(|(_, sent)| &**sent == uid).unwrap().0
    }

    pub(super) fn busiest_second(&self) -> usize {
        let times = self.times();
        let within = |(first, at): (usize, &Instant)| times[first..].partition_point(|other| *other < *at + ms(1000));
        times.iter().enumerate().map(within).max().unwrap_or_default()
    }

    pub(super) async fn reaches(&self, sends: usize) {
        for _ in 0..60_000 {
            if self.sends.lock().len() >= sends {
                return;
            }
            tokio::time::sleep(ms(10)).await;
        }
        panic!("only {} of {sends} sent within ten minutes", self.sends.lock().len());
    }
}

pub(super) struct World {
    pub(super) scheduler: QuotaScheduler,
    pub(super) journal: Arc<Journal>,
    pub(super) holders: Arc<Mutex<HashSet<Arc<str>>>>,
    pub(super) takes: Arc<dyn Fn(usize) -> Duration + Send + Sync>,
}

impl World {
    pub(super) fn new(takes: impl Fn(usize) -> Duration + Send + Sync + 'static) -> Self {
        let (scheduler, mut exports, mut reads) = QuotaScheduler::new(QuotaConfig::default(), Instant::now());
        let world = Self { scheduler, journal: Arc::default(), holders: Arc::default(), takes: Arc::new(takes) };
        tokio::spawn(world.scheduler.clone().run());
        let shell = world.clone();
        tokio::spawn(async move {
            while let Some(permit) = tokio::select! {
                permit = exports.recv() => permit,
                permit = reads.recv() => permit,
            } {
                shell.work(permit);
            }
        });
        world
    }

    pub(super) fn clone(&self) -> Self {
        let Self { scheduler, journal, holders, takes } = self;
        Self { scheduler: scheduler.clone(), journal: journal.clone(), holders: holders.clone(), takes: takes.clone() }
    }

    pub(super) fn add(&self, bucket: Bucket, holder: Requester, urgency: Priority) {
        self.holders.lock().insert(holder.uid.clone());
        if let Reservation::Granted(permit) = self.scheduler.reserve(&bucket, holder, urgency, Instant::now()) {
            self.work(permit);
        }
    }

    fn work(&self, permit: Permit) {
        let (world, uid) = (self.clone(), permit.uid().clone());
        if !world.holders.lock().contains(&uid) {
            return;
        }
        let number = world.journal.sends.lock().len();
        tokio::spawn(async move {
            tokio::time::sleep((world.takes)(number)).await;
            match permit.acquire().await {
                Ok(at) => {
                    world.holders.lock().remove(&uid);
                    world.journal.sends.lock().push((at, uid));
                }
                Err(Requeued) => *world.journal.put_back.lock() += 1,
            }
        });
    }
}
