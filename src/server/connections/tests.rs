use super::*;
use crate::property;
use proptest::prelude::*;

const LIMITS: ConnectionLimits = ConnectionLimits { per_peer: 3, total: 5 };

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Admits connections in this order; each handle is the connection's position in it.
fn admitted(peers: &[&str]) -> (Connections<usize>, Vec<ConnectionId>) {
    let mut connections = Connections::new(LIMITS);
    let ids = peers.iter().enumerate().map(|(n, peer)| connections.admit_peer(address(peer), n).id).collect();
    (connections, ids)
}

fn displaced(connections: &mut Connections<usize>, peer: &str) -> Option<usize> {
    connections.admit_peer(address(peer), 99).displaced
}

#[test]
fn nothing_is_closed_while_there_is_room() {
    let (mut connections, _) = admitted(&["10.0.0.1", "10.0.0.1"]);
    assert_eq!(displaced(&mut connections, "10.0.0.1"), None);
    assert_eq!(displaced(&mut connections, "10.0.0.2"), None);
}

#[test]
fn a_peer_at_its_limit_loses_its_own_oldest_idle_connection() {
    let (mut connections, ids) = admitted(&["10.0.0.2", "10.0.0.1", "10.0.0.1", "10.0.0.1"]);
    connections.mark_busy(ids[1]);
    assert_eq!(displaced(&mut connections, "10.0.0.1"), Some(2), "the older one is busy");
    assert_eq!(displaced(&mut connections, "10.0.0.1"), Some(3));
}

#[test]
fn the_oldest_busy_connection_goes_where_none_is_idle() {
    let (mut connections, ids) = admitted(&["10.0.0.1", "10.0.0.1", "10.0.0.1"]);
    ids.iter().for_each(|id| connections.mark_busy(*id));
    assert_eq!(displaced(&mut connections, "10.0.0.1"), Some(0));
}

#[test]
fn a_full_listener_closes_a_connection_of_the_peer_that_holds_most() {
    let (mut connections, ids) = admitted(&["10.0.0.2", "10.0.0.2", "10.0.0.1", "10.0.0.1", "10.0.0.1"]);
    connections.mark_busy(ids[2]);
    assert_eq!(displaced(&mut connections, "10.0.0.3"), Some(3));
    // Two, two and one are open: the new one is the third of its peer, which makes that the largest.
    assert_eq!(displaced(&mut connections, "10.0.0.2"), Some(0));
}

#[test]
fn an_ended_connection_leaves_its_place() {
    let (mut connections, ids) = admitted(&["10.0.0.1", "10.0.0.1", "10.0.0.1"]);
    connections.remove(ids[1]);
    connections.remove(ids[1]);
    connections.mark_busy(ids[1]);
    assert_eq!(displaced(&mut connections, "10.0.0.1"), None);
    assert_eq!(displaced(&mut connections, "10.0.0.1"), Some(0));
}

#[test]
fn a_peer_is_an_ipv4_address_or_an_ipv6_network_of_64_bits() {
    let is_one_peer = |a, b| Peer::from_address(address(a)) == Peer::from_address(address(b));
    assert!(is_one_peer("10.0.0.1", "::ffff:10.0.0.1"));
    assert!(is_one_peer("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff"));
    assert!(!is_one_peer("10.0.0.1", "10.0.0.2"));
    assert!(!is_one_peer("::ffff:10.0.0.1", "::ffff:10.0.0.2"));
    assert!(!is_one_peer("2001:db8:0:1::1", "2001:db8:0:2::1"));
}

#[derive(Debug, Clone)]
enum Step {
    Admit(u8),
    MarkBusy(usize),
    Remove(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..5_u8).prop_map(Step::Admit),
        2 => (0..60_usize).prop_map(Step::MarkBusy),
        1 => (0..60_usize).prop_map(Step::Remove),
    ];
    prop::collection::vec(step, 1..60)
}

/// A connection in the model, which keeps them in the order of admission.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Modelled {
    id: ConnectionId,
    peer: u8,
    is_busy: bool,
}

fn count_of(open: &[Modelled], peer: u8) -> usize {
    open.iter().filter(|one| one.peer == peer).count()
}

/// Checks the choice of the connection at `gone`, which was closed for a new one of `newcomer`.
fn check_displaced(
    before: &[Modelled],
    gone: usize,
    newcomer: u8,
    limits: ConnectionLimits,
) -> Result<(), TestCaseError> {
    let closed = before[gone];
    let (own, theirs) = (count_of(before, newcomer), count_of(before, closed.peer));
    let mut older = before[..gone].iter().filter(|one| one.peer == closed.peer);
    let mut others = before.iter().filter(|one| one.peer == closed.peer && one.id != closed.id);
    if closed.is_busy {
        prop_assert!(older.next().is_none() && others.all(|one| one.is_busy), "an idle or older one was there");
    } else {
        prop_assert!(older.all(|one| one.is_busy), "an older idle one was there");
    }
    if own >= limits.per_peer {
        prop_assert_eq!(closed.peer, newcomer);
        return Ok(());
    }
    prop_assert_eq!(before.len(), limits.total, "closed without need");
    prop_assert!(closed.peer == newcomer || theirs > own, "a peer lost to one that holds as many");
    prop_assert!((0..5).all(|peer| count_of(before, peer) <= theirs.max(own + 1)), "not of the largest peer");
    prop_assert!(closed.peer != newcomer || (0..5).all(|peer| count_of(before, peer) <= own + 1));
    Ok(())
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]

    #[test]
    fn the_newest_is_admitted_the_limits_hold_and_the_right_one_makes_room(
        steps in steps(), per_peer in 1..6_usize, total in 1..10_usize,
    ) {
        let limits = ConnectionLimits { per_peer, total };
        let mut connections = Connections::new(limits);
        let (mut open, mut ids): (Vec<Modelled>, Vec<ConnectionId>) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Admit(peer) => {
                    let admission = connections.admit_peer(IpAddr::from([10, 0, 0, peer]), ids.len());
                    let before = open.clone();
                    if let Some(handle) = admission.displaced {
                        let gone = before.iter().position(|one| one.id == ids[handle]).unwrap();
                        check_displaced(&before, gone, peer, limits)?;
                        open.remove(gone);
                    }
                    ids.push(admission.id);
                    open.push(Modelled { id: admission.id, peer, is_busy: false });
                }
                Step::MarkBusy(n) => {
                    let Some(id) = ids.get(n) else { continue };
                    connections.mark_busy(*id);
                    open.iter_mut().filter(|one| one.id == *id).for_each(|one| one.is_busy = true);
                }
                Step::Remove(n) => {
                    let Some(id) = ids.get(n) else { continue };
                    connections.remove(*id);
                    open.retain(|one| one.id != *id);
                }
            }
            prop_assert!(open.len() <= total && (0..5).all(|peer| count_of(&open, peer) <= per_peer));
            let held: Vec<_> = connections.open.iter().map(|one| one.id).collect();
            prop_assert_eq!(held, open.iter().map(|one| one.id).collect::<Vec<_>>());
        }
    }
}
