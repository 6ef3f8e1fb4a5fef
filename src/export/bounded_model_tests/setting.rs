//! The start of a history: two objects, the order in which they are handled, and AWS's unmeasured behaviour.

use crate::authorization::OperatorIdentity;
use crate::aws::identifiers::SessionArn;
use crate::export::fixtures::{arn, export, identity, secs};
use crate::export::world::World;
use crate::export::world_aws::{Aws, Second, Shown};
use std::sync::LazyLock;
use std::time::Duration;

/// The object that edits apply to.
pub(super) const FIRST: &str = "a";
pub(super) const SECOND: &str = "b";
pub(super) const SESSIONS: [&str; 2] = ["sess1", "sess2"];
pub(super) static ARNS: LazyLock<[SessionArn; 2]> = LazyLock::new(|| SESSIONS.map(arn));

pub(super) const PREFIX: &str = "s3://bucket/a/";
/// A key that AWS derives from [`PREFIX`].
pub(super) const KEY: &str = "s3://bucket/a/20260102-030405-app-sg-sess.zip";
const NESTED: &str = "s3://bucket/a/n/";
const OTHER: &str = "s3://bucket/b/";
/// A `.zip` that AWS could also have derived from [`PREFIX`].
const ZIP: &str = "s3://bucket/a/k.zip";

/// The sessions and destinations of the two objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pair {
    SamePrefix,
    PrefixAndNested,
    NestedAndPrefix,
    PrefixAndZip,
    ZipAndPrefix,
    TwoPrefixes,
    ZipOfTwoSessions,
}

/// Which of the two is handled first where both are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    FirstFirst,
    SecondFirst,
    /// The second object is created after the first move.
    SecondLater,
}

/// The start of a history.
///
/// It doesn't include the effect of a second call with another destination: such a call fails the test at once, so a
/// history that passes has none, and would be the same if AWS ignored or refused it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) pair: Pair,
    pub(super) order: Order,
    /// The destination that PENDING shows.
    pub(super) shown: Shown,
    /// True if a result names its destination.
    pub(super) names_result: bool,
}

/// Session and destination of the first and of the second object.
type Requests = [(&'static str, &'static str); 2];

impl Pair {
    pub(super) fn requests(self) -> Requests {
        let of_one_session = |first, second| [(SESSIONS[0], first), (SESSIONS[0], second)];
        match self {
            Self::SamePrefix => of_one_session(PREFIX, PREFIX),
            Self::PrefixAndNested => of_one_session(PREFIX, NESTED),
            Self::NestedAndPrefix => of_one_session(NESTED, PREFIX),
            Self::PrefixAndZip => of_one_session(PREFIX, ZIP),
            Self::ZipAndPrefix => of_one_session(ZIP, PREFIX),
            Self::TwoPrefixes => of_one_session(PREFIX, OTHER),
            Self::ZipOfTwoSessions => [(SESSIONS[0], ZIP), (SESSIONS[1], ZIP)],
        }
    }

    /// True if it matters whether PENDING shows the given destination or the key that AWS derives from it: only where
    /// one destination lies in the other.
    fn tells_key_from_given(self) -> bool {
        match self {
            Self::PrefixAndNested | Self::NestedAndPrefix | Self::PrefixAndZip | Self::ZipAndPrefix => true,
            Self::SamePrefix | Self::TwoPrefixes | Self::ZipOfTwoSessions => false,
        }
    }

    /// The sessions of the two objects.
    pub(super) fn sessions(self) -> &'static [SessionArn] {
        if self == Self::ZipOfTwoSessions { &*ARNS } else { &ARNS[..1] }
    }

    /// From one read of a session to the next: the longest that the timing knows.
    ///
    /// Limit: after a new leader's pause, a call for one session waits until that one has been read again, not until
    /// all that share its `.zip` have. A call that the last leader made for another one is known in time only where
    /// sessions are read more often than the consistency window exceeds a call's time-out and the lag of a read.
    fn poll_interval(self) -> Duration {
        secs(if self == Self::ZipOfTwoSessions { 10 } else { 60 })
    }

    /// Every start for this pair.
    pub(super) fn settings(self) -> impl Iterator<Item = Setting> {
        let shown = [Shown::Key, Shown::Nothing, Shown::Given];
        let shown = shown.into_iter().filter(move |shown| *shown != Shown::Given || self.tells_key_from_given());
        shown.flat_map(move |shown| {
            [true, false].into_iter().flat_map(move |names_result| {
                let orders = [Order::FirstFirst, Order::SecondFirst, Order::SecondLater];
                orders.into_iter().map(move |order| Setting { pair: self, order, shown, names_result })
            })
        })
    }
}

impl Setting {
    /// A leader whose pause is over, and objects that have just been created.
    pub(super) fn start(&self) -> World {
        let mut world = World::new(Aws::new(self.shown, Second::Replaces, self.names_result));
        world.identity = rules(false);
        world.poll_interval = self.pair.poll_interval();
        world.reversed = self.order == Order::SecondFirst;
        world.run(31);
        self.create(&mut world, 0);
        if self.order != Order::SecondLater {
            self.create(&mut world, 1);
        }
        world
    }

    /// Creates the second object after its move, if the setting creates it later.
    pub(super) fn after_move(&self, number: usize, world: &mut World) {
        if number == 1 && self.order == Order::SecondLater {
            self.create(world, 1);
        }
    }

    fn create(&self, world: &mut World, number: usize) {
        let (session, uri) = self.pair.requests()[number];
        world.create(export().named([FIRST, SECOND][number]).of_session(session).to(uri));
    }

    /// AWS names the destination of an export from its acceptance to its end.
    pub(super) fn names_its_exports(&self) -> bool {
        self.names_result && self.shown != Shown::Nothing
    }
}

/// The administrator's rules: they cover both objects; retired, they allow no call any more.
pub(super) fn rules(retired: bool) -> OperatorIdentity {
    static IN_FORCE: LazyLock<OperatorIdentity> =
        LazyLock::new(|| identity(r#"[{namespaces: [team], streamGroups: ["*"], outputPrefixes: ["s3://bucket/"]}]"#));
    static RETIRED: LazyLock<OperatorIdentity> = LazyLock::new(|| {
        identity(r#"[{namespaces: [team], streamGroups: ["*"], outputPrefixes: ["s3://bucket/"], exports: false}]"#)
    });
    if retired { RETIRED.clone() } else { IN_FORCE.clone() }
}
