use super::*;
use crate::property;
use proptest::prelude::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Most sends that any window of one second (its end excluded) holds.
fn busiest_second(sends: &[Instant]) -> usize {
    let within = |first: &Instant| sends.iter().filter(|at| *at >= first && **at < *first + ms(1000)).count();
    sends.iter().map(within).max().unwrap_or_default()
}

#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    /// This many calls, each as early as it may go.
    Greedy(usize),
    Try,
    Throttled {
        age: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0u64..400).prop_map(Event::Pass),
        1 => (0u64..70_000).prop_map(Event::Pass),
        3 => (1usize..40).prop_map(Event::Greedy),
        4 => Just(Event::Try),
        1 => (0u64..5_000).prop_map(|age| Event::Throttled { age }),
    ]
}

fn play(limiter: &mut GcraLimiter, start: Instant, events: &[Event]) -> Vec<Instant> {
    let (mut now, mut sends) = (start, Vec::new());
    for event in events {
        match event {
            Event::Pass(by) => now += ms(*by),
            Event::Try => sends.extend(limiter.try_take(now).is_ok().then_some(now)),
            Event::Greedy(calls) => {
                for _ in 0..*calls {
                    while let Err(wait) = limiter.try_take(now) {
                        now += wait;
                    }
                    sends.push(now);
                }
            }
            Event::Throttled { age } => limiter.on_throttled(now.checked_sub(ms(*age)).unwrap_or(start), now),
        }
    }
    sends
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    #[test]
    fn no_second_exceeds_the_share_plus_one(
        share in prop_oneof![(1u32..60).prop_map(f64::from), 0.3f64..60.0],
        events in prop::collection::vec(event(), 1..60),
    ) {
        let start = Instant::now() + Duration::from_secs(10);
        let sends = play(&mut GcraLimiter::new(share, start), start, &events);
        prop_assert!(busiest_second(&sends) as f64 <= share + 1.0, "{} > {share} + 1", busiest_second(&sends));
    }

    #[test]
    fn it_always_goes_on_and_recovers(
        share in 0.3f64..60.0,
        events in prop::collection::vec(event(), 1..60),
    ) {
        let start = Instant::now() + Duration::from_secs(10);
        let mut limiter = GcraLimiter::new(share, start);
        play(&mut limiter, start, &events);
        let now = limiter.settled;
        prop_assert!(limiter.wait_for_slot(0, now) <= Duration::from_secs(8));
        prop_assert!(limiter.current_rate(now + Duration::from_secs(60)) >= 0.9 * share);
    }
}

#[test]
fn greedy_callers_get_the_whole_share() {
    let start = Instant::now();
    let sends = play(&mut GcraLimiter::new(18.0, start), start, &[Event::Greedy(181)]);
    let took = sends[180] - start;
    assert!(took <= ms(10_060), "{took:?}");
    assert!(busiest_second(&sends) <= 19);
}

#[test]
fn a_late_call_is_made_up_for_once() {
    let start = Instant::now();
    let mut limiter = GcraLimiter::new(10.0, start);
    assert_eq!(limiter.try_take(start).map_err(|wait| wait.as_millis()), Err(100));
    let late = start + ms(250);
    assert!(limiter.try_take(late).is_ok());
    assert!(limiter.try_take(late).is_err());
    assert!(limiter.try_take(late + ms(21)).is_ok());
    assert!(limiter.try_take(late + ms(119)).is_err());
    assert!(limiter.try_take(late + ms(121)).is_ok());
}

#[test]
fn one_event_halves_once() {
    let start = Instant::now();
    let mut limiter = GcraLimiter::new(16.0, start);
    for call in 0..5 {
        limiter.on_throttled(start + ms(call), start + ms(50));
    }
    assert_eq!(limiter.current_rate(start + ms(50)), 8.0);
    // Begun after the cut, but within the second that AWS still holds against us.
    limiter.on_throttled(start + ms(60), start + ms(90));
    assert!(limiter.current_rate(start + ms(90)) >= 8.0);
    // A black-holed call from before the cut that is answered late.
    limiter.on_throttled(start + ms(50), start + ms(3000));
    assert!(limiter.current_rate(start + ms(3000)) >= 8.0);
    limiter.on_throttled(start + ms(3001), start + ms(3030));
    assert!(limiter.current_rate(start + ms(3030)) < 4.1);
    limiter.on_throttled(start + ms(3031), start + ms(4030));
    assert!(limiter.current_rate(start + ms(4030)) < 2.1, "a second later it is another event");
}

#[test]
fn a_limiter_tells_when_tokens_are_free_and_how_many() {
    let start = Instant::now();
    let mut limiter = GcraLimiter::new(10.0, start);
    let tokens = |limiter: &GcraLimiter, after| (limiter.available_tokens(start + ms(after)) * 100.0).round();
    assert_eq!([0, 50, 100, 500].map(|after| tokens(&limiter, after)), [0.0, 50.0, 100.0, 180.0]);
    let waits = |limiter: &GcraLimiter, ahead, after| limiter.wait_for_slot(ahead, start + ms(after)).as_millis();
    assert_eq!([0, 1, 3].map(|ahead| waits(&limiter, ahead, 0)), [100, 200, 400]);
    assert_eq!(limiter.wait_for_slot(0, start + ms(500)), Duration::ZERO);
    assert_eq!(limiter.slot_interval(start), ms(100));
    assert!(limiter.try_take(start + ms(500)).is_ok());
    assert_eq!(tokens(&limiter, 500), 80.0);
    limiter.on_throttled(start + ms(500), start + ms(600));
    assert_eq!(limiter.slot_interval(start + ms(600)), ms(200));
}

#[test]
fn a_limiter_is_idle_once_nothing_is_owed_and_the_share_is_whole() {
    let start = Instant::now();
    let mut limiter = GcraLimiter::new(10.0, start);
    assert_eq!([0, 170, 190].map(|after| limiter.is_idle(start + ms(after))), [false, false, true]);
    limiter.on_throttled(start + ms(190), start + ms(200));
    assert_eq!([200, 10_000, 56_200].map(|after| limiter.is_idle(start + ms(after))), [false, false, true]);
}

#[test]
fn it_shrinks_to_a_floor_and_is_whole_again_after_a_minute() {
    let start = Instant::now();
    let mut limiter = GcraLimiter::new(18.0, start);
    let mut now = start;
    for _ in 0..20 {
        now += ms(1001);
        limiter.on_throttled(now - ms(1), now);
    }
    assert!((0.5..0.6).contains(&limiter.current_rate(now)));
    assert!(limiter.current_rate(now + ms(10_000)) < 0.8, "gently at first");
    assert!(limiter.current_rate(now + ms(60_000)) >= 0.9 * 18.0);
}

#[test]
fn nonsense_is_the_smallest_share() {
    for share in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(GcraLimiter::new(share, Instant::now()).current_rate(Instant::now()), FLOOR_PER_SECOND);
    }
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    /// One leader stops at any instant, the next begins with an empty bucket: the account sees one share.
    #[test]
    fn two_leaders_one_after_the_other_stay_within_one_share(
        share in (1u32..60).prop_map(f64::from),
        first in prop::collection::vec(event(), 1..30),
        pause in 0u64..1500,
        second in prop::collection::vec(event(), 1..30),
    ) {
        let start = Instant::now() + Duration::from_secs(10);
        let mut leader = GcraLimiter::new(share, start);
        let mut sends = play(&mut leader, start, &first);
        // The next leader begins after the last send, without its state.
        let over = sends.last().copied().unwrap_or(start) + ms(pause);
        sends.extend(play(&mut GcraLimiter::new(share, over), over, &second));
        prop_assert!(busiest_second(&sends) as f64 <= share + 1.0, "{} > {share} + 1", busiest_second(&sends));
    }
}
