//! Random histories of requests, cancellations, slow callers and throttling.

use crate::property;
use crate::quota::scheduler::tests::world::World;
use crate::quota::scheduler::tests::{ending, export, holder, ms};
use crate::quota::scheduler::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Act {
    Add(u16),
    Withdraw(u16),
    Pass(u64),
    Throttle,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0u16..300).prop_map(Act::Add),
        1 => (0u16..300).prop_map(Act::Withdraw),
        2 => (0u64..1500).prop_map(Act::Pass),
        1 => Just(Act::Throttle),
    ]
}

async fn play(acts: Vec<Act>, slowness: u64) -> Result<(), TestCaseError> {
    let world = World::new(move |n| ms((n as u64 * 7919) % (slowness + 1)));
    let mut live = std::collections::HashSet::new();
    for act in acts {
        match act {
            Act::Add(uid) => {
                live.insert(uid);
                world.add(export(), holder(&format!("ns-{}", uid % 4), &format!("{uid}")), ending(1));
            }
            Act::Withdraw(uid) => {
                live.remove(&uid);
                world.holders.lock().remove(&*format!("{uid}"));
                world.scheduler.cancel(&format!("{uid}"));
            }
            Act::Pass(by) => tokio::time::sleep(ms(by)).await,
            Act::Throttle => world.scheduler.on_throttled(&export(), Instant::now(), Instant::now()),
        }
    }
    tokio::time::sleep(ms(150_000)).await;
    prop_assert!(world.journal.busiest_second() <= 19, "{}", world.journal.busiest_second());
    let sent: std::collections::HashSet<String> = world.journal.uids().into_iter().collect();
    for uid in live {
        prop_assert!(sent.contains(&uid.to_string()), "{uid} was never served");
    }
    prop_assert_eq!(world.scheduler.bucket_stats(Instant::now()).iter().map(|load| load.waiting).sum::<usize>(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(property::config(16, 64))]
    #[test]
    fn random_histories_keep_the_rate_and_serve_everyone(
        acts in prop::collection::vec(act(), 1..150),
        slowness in 0u64..2500,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(play(acts, slowness))?;
    }
}
