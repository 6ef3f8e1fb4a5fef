//! A shell in small: it takes what is granted, spends some time as a reconcile does, and sends.

use super::super::*;
use super::ms;

/// Sends in order of time, and how often a turn had to be put back.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) sends: Mutex<Vec<(Instant, Arc<str>)>>,
    pub(super) put_back: Mutex<usize>,
}

impl Journal {
    pub(super) fn times(&self) -> Vec<Instant> {
        self.sends.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }

    pub(super) fn uids(&self) -> Vec<String> {
        self.sends.lock().unwrap().iter().map(|(_, uid)| uid.to_string()).collect()
    }

    pub(super) fn at(&self, uid: &str) -> Instant {
        self.sends.lock().unwrap().iter().find(|(_, sent)| &**sent == uid).unwrap().0
    }

    pub(super) fn busiest_second(&self) -> usize {
        let times = self.times();
        let within = |(first, at): (usize, &Instant)| times[first..].partition_point(|other| *other < *at + ms(1000));
        times.iter().enumerate().map(within).max().unwrap_or_default()
    }

    pub(super) async fn reaches(&self, sends: usize) {
        for _ in 0..60_000 {
            if self.sends.lock().unwrap().len() >= sends {
                return;
            }
            tokio::time::sleep(ms(10)).await;
        }
        panic!("only {} of {sends} sent within ten minutes", self.sends.lock().unwrap().len());
    }
}

type Holders = HashMap<Arc<str>, (Bucket, Holder, Urgency)>;

pub(super) struct World {
    pub(super) turns: Turns,
    pub(super) journal: Arc<Journal>,
    pub(super) holders: Arc<Mutex<Holders>>,
    pub(super) takes: Arc<dyn Fn(usize) -> Duration + Send + Sync>,
}

impl World {
    pub(super) fn new(takes: impl Fn(usize) -> Duration + Send + Sync + 'static) -> Self {
        let (turns, mut grants) = Turns::new(Shares { export: 18.0, get: 10.0, list: 10.0 }, Instant::now());
        let world = Self { turns, journal: Arc::default(), holders: Arc::default(), takes: Arc::new(takes) };
        tokio::spawn(world.turns.clone().run());
        let shell = world.clone();
        tokio::spawn(async move {
            while let Some(uid) = grants.recv().await {
                shell.reconcile(&uid);
            }
        });
        world
    }

    pub(super) fn clone(&self) -> Self {
        let Self { turns, journal, holders, takes } = self;
        Self { turns: turns.clone(), journal: journal.clone(), holders: holders.clone(), takes: takes.clone() }
    }

    pub(super) fn add(&self, bucket: Bucket, holder: Holder, urgency: Urgency) {
        let uid = holder.uid.clone();
        self.holders.lock().unwrap().insert(uid.clone(), (bucket, holder, urgency));
        self.reconcile(&uid);
    }

    pub(super) fn reconcile(&self, uid: &Arc<str>) {
        let Some((bucket, holder, urgency)) = self.holders.lock().unwrap().get(uid).cloned() else { return };
        let world = self.clone();
        if let Turn::Granted(permit) = self.turns.ask(&bucket, holder, urgency, Instant::now()) {
            let uid = uid.clone();
            let number = world.journal.sends.lock().unwrap().len();
            tokio::spawn(async move {
                tokio::time::sleep((world.takes)(number)).await;
                match permit.ready().await {
                    Ok(at) => {
                        world.holders.lock().unwrap().remove(&uid);
                        world.journal.sends.lock().unwrap().push((at, uid));
                    }
                    Err(PutBack) => *world.journal.put_back.lock().unwrap() += 1,
                }
            });
        }
    }
}
