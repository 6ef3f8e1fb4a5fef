use super::*;
use crate::aws::failure::{ErrorAnswer, FailureDetail};
use crate::quota::scheduler::PriorityClass;
use tokio::time::{advance, timeout};

const NEAR: &str = "s3://bucket/a/";
const FAR: &str = "s3://bucket/b/";
const FIRST_DELAY: Duration = Duration::from_secs(10);

fn session(account: &str) -> SessionArn {
    SessionArn {
        region: "us-west-2".parse().unwrap(),
        account: account.parse().unwrap(),
        group: "sg-1".parse().unwrap(),
        session: "one".parse().unwrap(),
    }
}

fn failure(class: FailureClass) -> CallFailure {
    let answer = ErrorAnswer { code: "SomeException".into(), text: "the destination of another".into() };
    CallFailure {
        operation: Operation::Get,
        class,
        http: None,
        detail: FailureDetail::Answer(Arc::new(answer)),
        original: None,
        host: None,
        request_id: None,
    }
}

/// A gateway, and calls of objects in one namespace about one session. No call is sent.
struct World {
    gateway: AwsGateway,
    receivers: GatewayReceivers,
    arn: SessionArn,
    uri: OutputUri,
}

impl World {
    /// One request of each operation is granted at once.
    async fn new() -> Self {
        let arn = session("111122223333");
        let client = Client::load(Some(&arn.region), Duration::from_secs(1), Arc::new(())).await.unwrap();
        let backoff = ExponentialBackoff { first: FIRST_DELAY, longest: FIRST_DELAY * 6 };
        let (gateway, receivers) = AwsGateway::new(client, "operator", QuotaConfig::default(), backoff);
        Self { gateway, receivers, arn, uri: "s3://bucket/a/one/".parse().unwrap() }
    }

    fn requester(uid: &str) -> Requester {
        Requester { uid: uid.into(), namespace: "team".into() }
    }

    fn call_request<'a>(uid: &str, arn: &'a SessionArn) -> CallRequest<'a> {
        CallRequest { holder: Self::requester(uid), arn, urgency: Priority::for_unread(PriorityClass::First) }
    }

    fn get(&self, uid: &str) -> Admission {
        self.gateway.reserve_get(Self::call_request(uid, &self.arn), None, Instant::now())
    }

    fn export(&self, uid: &str, prefix: &str) -> Admission {
        let destination = Destination { uri: &self.uri, prefix };
        self.gateway.reserve_export(Self::call_request(uid, &self.arn), destination, None, Instant::now())
    }

    fn list(&self, uid: &str) -> Admission {
        let urgency = Priority::for_unread(PriorityClass::First);
        self.gateway.reserve_list(&self.arn.stream_group(), (Self::requester(uid), urgency), None, Instant::now())
    }

    fn record_get(&self, uid: &str, failure: Option<&CallFailure>) {
        let path = self.gateway.get_path(&Self::call_request(uid, &self.arn));
        self.gateway.record_outcome(&path, SendPermit(Instant::now()), &uid.into(), failure);
    }

    fn record_export(&self, uid: &str, failure: Option<&CallFailure>) {
        let destination = Destination { uri: &self.uri, prefix: NEAR };
        let path = self.gateway.export_path(&Self::call_request(uid, &self.arn), destination);
        self.gateway.record_outcome(&path, SendPermit(Instant::now()), &uid.into(), failure);
    }

    fn retries(&mut self) -> Vec<Arc<str>> {
        std::iter::from_fn(|| self.receivers.retries.try_recv().ok()).collect()
    }

    fn waiting(&self) -> [usize; Operation::ALL.len()] {
        self.gateway.operation_stats().map(|load| load.waiting)
    }
}

fn is_granted(admission: &Admission) -> bool {
    matches!(admission, Admission::Granted(_))
}

/// How long until the next attempt; `None` if it isn't denied.
fn denied_for(admission: &Admission) -> Option<Duration> {
    match admission {
        Admission::Denied { next, .. } => Some(*next - Instant::now()),
        Admission::Granted(_) | Admission::Waiting { .. } => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_holds_for_exports_below_the_same_prefix_and_shows_no_text() {
    let mut world = World::new().await;
    world.record_export("a", Some(&failure(FailureClass::AccessDenied)));
    let Admission::Denied { denial, since, next } = world.export("b", NEAR) else { panic!("it may call") };
    assert_eq!((denial.class, denial.detail.code()), (FailureClass::AccessDenied, Some("SomeException")));
    assert_eq!(denial.detail, failure(FailureClass::AccessDenied).detail.without_text());
    assert_eq!((since, next), (Instant::now(), Instant::now() + FIRST_DELAY));
    assert!(is_granted(&world.export("b", FAR)));
    assert!(is_granted(&world.get("b")));
    assert!(is_granted(&world.list("b")));
    world.record_export("a", None);
    assert_eq!(world.retries(), ["b".into()]);
    assert!(is_granted(&world.export("b", NEAR)));
}

#[tokio::test(start_paused = true)]
async fn without_credentials_no_call_is_made_in_the_region() {
    let world = World::new().await;
    world.record_get("a", Some(&failure(FailureClass::Credentials)));
    for admission in [world.get("b"), world.export("b", FAR), world.list("b")] {
        assert_eq!(denied_for(&admission), Some(FIRST_DELAY));
    }
    let elsewhere = SessionArn { region: "eu-west-1".parse().unwrap(), ..world.arn.clone() };
    let admission = world.gateway.reserve_get(World::call_request("b", &elsewhere), None, Instant::now());
    assert!(is_granted(&admission), "in another Region");
}

/// What the answer to a probe says about the credentials and about the permission.
#[tokio::test(start_paused = true)]
async fn a_probe_closes_the_breakers_of_what_its_answer_shows() {
    for (class, credentials_work, allowed) in [
        (None, true, Some(true)),
        (Some(FailureClass::AccessDenied), true, Some(false)),
        (Some(FailureClass::NotFound), true, None),
        (Some(FailureClass::Rejected), true, None),
        (Some(FailureClass::Throttled), false, None),
        (Some(FailureClass::Unavailable), false, None),
        (Some(FailureClass::Unreachable), false, None),
        (Some(FailureClass::Credentials), false, None),
    ] {
        let answer = class.map(failure);
        let mut world = World::new().await;
        world.record_get("a", Some(&failure(FailureClass::Credentials)));
        advance(FIRST_DELAY).await;
        assert!(is_granted(&world.get("b")), "{class:?}: a probe");
        assert!(denied_for(&world.export("c", FAR)).is_some(), "{class:?}: one probe at a time");
        world.record_get("b", answer.as_ref());
        assert_eq!(world.retries().contains(&"c".into()), credentials_work, "{class:?}");
        assert_eq!(is_granted(&world.export("c", FAR)), credentials_work, "{class:?}");

        let mut world = World::new().await;
        world.record_export("a", Some(&failure(FailureClass::AccessDenied)));
        advance(FIRST_DELAY).await;
        assert!(is_granted(&world.export("b", NEAR)), "{class:?}: a probe");
        world.export("c", NEAR);
        world.record_export("b", answer.as_ref());
        assert_eq!(world.retries().contains(&"c".into()), allowed == Some(true), "{class:?}");
        let next = match allowed {
            Some(true) => None,
            Some(false) => Some(FIRST_DELAY * 2),
            // No result: the same delay again.
            None => Some(FIRST_DELAY),
        };
        assert_eq!(denied_for(&world.export("c", NEAR)), next, "{class:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_denied_gives_its_turn_back() {
    let world = World::new().await;
    let held = world.export("a", NEAR);
    assert!(matches!(world.export("b", NEAR), Admission::Waiting { .. }));
    assert_eq!(world.waiting().iter().sum::<usize>(), 1);
    world.record_export("x", Some(&failure(FailureClass::AccessDenied)));
    assert_eq!(denied_for(&world.export("b", NEAR)), Some(FIRST_DELAY));
    assert_eq!(world.waiting().iter().sum::<usize>(), 0);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_the_credentials_ends_where_the_permission_is_denied() {
    let world = World::new().await;
    world.record_export("x", Some(&failure(FailureClass::AccessDenied)));
    advance(FIRST_DELAY).await;
    assert!(is_granted(&world.export("x", NEAR)), "a probe");
    world.record_export("x", Some(&failure(FailureClass::AccessDenied)));
    world.record_get("x", Some(&failure(FailureClass::Credentials)));
    advance(FIRST_DELAY).await;
    // It might probe the credentials now, but its permission is denied for twice the delay.
    assert_eq!(denied_for(&world.export("b", NEAR)), Some(FIRST_DELAY));
    assert_eq!(denied_for(&world.export("b", FAR)), Some(FIRST_DELAY), "the probe had no result");
}

#[tokio::test(start_paused = true)]
async fn the_next_prober_is_woken_when_a_probe_is_due() {
    let mut world = World::new().await;
    let gateway = world.gateway.clone();
    let running = tokio::spawn(async move { gateway.run_gateway().await });
    world.record_export("a", Some(&failure(FailureClass::AccessDenied)));
    world.export("b", NEAR);
    let denied = Instant::now();
    let retry = timeout(FIRST_DELAY * 2, world.receivers.retries.recv()).await;
    assert_eq!(retry, Ok(Some("b".into())));
    assert_eq!(denied.elapsed(), FIRST_DELAY);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn reservations_are_cancelled_by_operation_or_all() {
    let world = World::new().await;
    let held = (world.get("a"), world.export("a", NEAR), world.list("a"));
    for uid in ["b", "c"] {
        world.get(uid);
        world.export(uid, NEAR);
        world.list(uid);
    }
    assert_eq!(world.waiting(), [2; Operation::ALL.len()]);
    world.gateway.cancel_get(&world.arn, "b");
    assert_eq!(world.waiting().iter().sum::<usize>(), 5);
    world.gateway.cancel("b");
    assert_eq!(world.waiting(), [1; Operation::ALL.len()]);
    drop(held);
    world.record_export("x", Some(&failure(FailureClass::AccessDenied)));
    world.export("c", NEAR);
    world.gateway.cancel("c");
    let mut world = world;
    world.record_export("x", None);
    assert_eq!(world.retries(), Vec::<Arc<str>>::new(), "c waits for no retry");
}

#[tokio::test(start_paused = true)]
async fn figures_are_the_lowest_of_all_accounts_and_the_sum_of_what_waits() {
    let world = World::new().await;
    let load = |operation| {
        let all = world.gateway.operation_stats();
        all.into_iter().find(|load| load.operation == operation).unwrap()
    };
    let quota = QuotaConfig::default();
    let idle =
        OperationLoad { operation: Operation::Get, configured: quota.get, share: quota.get, tokens: 0.0, waiting: 0 };
    assert_eq!(load(Operation::Get), idle);
    assert_eq!(world.gateway.discovery_share(), quota.discovery_share);
    let other = session("444455556666");
    let reserve = |uid: &str, arn| world.gateway.reserve_get(World::call_request(uid, arn), None, Instant::now());
    let held = (reserve("a", &world.arn), reserve("a", &other));
    reserve("b", &world.arn);
    reserve("b", &other);
    reserve("c", &other);
    advance(Duration::from_secs(1)).await;
    world.record_get("a", Some(&failure(FailureClass::Throttled)));
    let busy = load(Operation::Get);
    assert_eq!((busy.configured, busy.share, busy.waiting), (quota.get, quota.get / 2.0, 3));
    let Admission::Granted(permit) = held.0 else { panic!("{:?}", held.0) };
    world.gateway.acquire_send_permit(permit).await.unwrap();
    let tokens = load(Operation::Get).tokens;
    assert!(tokens < 1.0 && busy.tokens >= 1.0, "{tokens} {}", busy.tokens);
    assert_eq!(
        load(Operation::List),
        OperationLoad { operation: Operation::List, configured: quota.list, share: quota.list, ..idle }
    );
}
