//! A bounded model: two objects with the same session or the same `.zip`, and every history of up to [`LONGEST`] moves.
//!
//! The histories run in the virtual time of [`crate::export::world`], which runs the shipped authorization, state and
//! decision, and checks each write and each call. After the last move faults stop and the sessions end: all objects
//! must finish, and objects that no rule covers must have changed nothing.
//!
//! A history that fails prints itself, shorter ones first. [`REPLAYED`] takes it as it is printed.

mod ending;
mod hostile;
mod moves;
mod setting;
mod worlds;

use crate::export::world_aws::Shown;
use crate::property;
use moves::Move;
use setting::{Order, Pair, Setting};
use worlds::Worlds;

/// Moves of the longest histories.
const LONGEST: usize = 3;

/// True if histories of `moves` moves are run from this start. PENDING with the given destination behaves much like
/// PENDING with the key, so its histories are shorter.
fn is_played(setting: &Setting, moves: usize) -> bool {
    let longest = match (property::all_cases(), setting.shown) {
        (true, Shown::Key | Shown::Nothing) => LONGEST,
        (true, Shown::Given) => 2,
        (false, Shown::Key) if setting.names_result => 2,
        (false, Shown::Key | Shown::Nothing | Shown::Given) => 1,
    };
    moves <= longest
}

/// True if histories of `moves` moves are run beside uncovered objects as well.
fn is_played_beside_hostile(moves: usize) -> bool {
    moves <= if property::all_cases() { 2 } else { 1 }
}

/// Histories from one start.
struct Explorer {
    setting: Setting,
    moves: Vec<Move>,
    histories: u64,
}

impl Drop for Explorer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("REPLAYED: ({:?}, &{:?})", self.setting, self.moves);
        }
    }
}

impl Explorer {
    fn new(setting: Setting) -> Self {
        Self { setting, moves: Vec::new(), histories: 0 }
    }

    /// Runs all histories with `more` further moves.
    fn explore(&mut self, worlds: &Worlds, more: usize) {
        for next in moves::ALL {
            if next.adds_to(self.moves.last().copied()) {
                self.moves.push(next);
                match worlds.go_on(&self.setting, self.moves.len(), next) {
                    Some(worlds) if more > 1 => self.explore(&worlds, more - 1),
                    Some(worlds) if !next.only_passes_time() || worlds.has_hostile() => self.finish(worlds),
                    Some(_) | None => {}
                }
                self.moves.pop();
            }
        }
    }

    fn finish(&mut self, worlds: Worlds) {
        self.histories += 1;
        worlds.finish(&self.setting);
    }
}

fn explore(setting: Setting, moves: usize) -> u64 {
    let mut explorer = Explorer::new(setting);
    explorer.explore(&Worlds::start(&setting, is_played_beside_hostile(moves)), moves);
    explorer.histories
}

fn check(pair: Pair) {
    for moves in 1..=LONGEST {
        let played = pair.settings().filter(|setting| is_played(setting, moves));
        let histories: u64 = played.map(|setting| explore(setting, moves)).sum();
        println!("{pair:?}: {histories} histories of {moves} moves");
    }
}

#[test]
fn one_prefix_twice() {
    check(Pair::SamePrefix);
}

#[test]
fn a_prefix_and_one_in_it() {
    check(Pair::PrefixAndNested);
}

#[test]
fn a_prefix_in_another_one() {
    check(Pair::NestedAndPrefix);
}

#[test]
fn a_prefix_and_a_zip_in_it() {
    check(Pair::PrefixAndZip);
}

#[test]
fn a_zip_in_a_prefix() {
    check(Pair::ZipAndPrefix);
}

#[test]
fn two_prefixes() {
    check(Pair::TwoPrefixes);
}

#[test]
fn one_zip_of_two_sessions() {
    check(Pair::ZipOfTwoSessions);
}

/// The history that [`a_history_is_played_again`] runs.
const REPLAYED: (Setting, &[Move]) = {
    use Move::*;
    use Order::*;
    use Pair::*;
    use Shown::*;
    (
        Setting { pair: PrefixAndNested, order: FirstFirst, shown: Key, names_result: true },
        &[Short, ClearAndCrashReordered, ReadLags],
    )
};

#[test]
fn a_history_is_played_again() {
    let (setting, moves) = REPLAYED;
    let mut explorer = Explorer::new(setting);
    let mut worlds = Worlds::start(&setting, true);
    for next in moves {
        explorer.moves.push(*next);
        worlds = worlds.go_on(&setting, explorer.moves.len(), *next).expect("it strikes nothing");
    }
    explorer.finish(worlds);
}
