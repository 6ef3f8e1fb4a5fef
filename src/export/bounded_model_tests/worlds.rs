//! One history in several worlds: by itself, and beside objects that no rule covers.

use crate::export::bounded_model_tests::ending::finish;
use crate::export::bounded_model_tests::hostile;
use crate::export::bounded_model_tests::moves::{Move, is_retired};
use crate::export::bounded_model_tests::setting::Setting;
use crate::export::world::World;

pub(super) struct Worlds {
    alone: World,
    hostile: Option<Hostile>,
}

struct Hostile {
    /// With uncovered objects that are created before the first move, forged after it, and never deleted.
    always: World,
    /// With uncovered objects that are created and forged just before the last move, and deleted after it.
    last: World,
}

impl Worlds {
    pub(super) fn start(setting: &Setting, with_hostile: bool) -> Self {
        let alone = setting.start();
        let hostile = with_hostile.then(|| {
            let mut always = alone.clone();
            hostile::create(setting, &mut always);
            Hostile { always, last: alone.clone() }
        });
        Self { alone, hostile }
    }

    pub(super) fn has_hostile(&self) -> bool {
        self.hostile.is_some()
    }

    /// Makes the history's next move, move `number`. Returns `None` if the history equals another one.
    pub(super) fn go_on(&self, setting: &Setting, number: usize, next: Move) -> Option<Self> {
        let mut alone = self.alone.clone();
        if !make(&mut alone, next) {
            return None;
        }
        setting.after_move(number, &mut alone);
        let hostile = self.hostile.as_ref().map(|hostile| {
            let mut always = hostile.always.clone();
            make_beside_hostile(&mut always, next);
            if number == 1 {
                hostile::forge(&mut always);
            }
            setting.after_move(number, &mut always);
            let mut last = self.alone.clone();
            hostile::create(setting, &mut last);
            hostile::forge(&mut last);
            make_beside_hostile(&mut last, next);
            hostile::delete(&mut last);
            setting.after_move(number, &mut last);
            Hostile { always, last }
        });
        Some(Self { alone, hostile })
    }

    /// Runs the history to its end, which must be the same in all worlds.
    pub(super) fn finish(self, setting: &Setting) {
        let ends = finish(setting, self.alone);
        if let Some(Hostile { always, last }) = self.hostile {
            assert_eq!(finish(setting, always), ends, "uncovered objects change it");
            assert_eq!(finish(setting, last), ends, "uncovered objects change its last move");
        }
    }
}

fn make_beside_hostile(world: &mut World, next: Move) {
    assert!(make(world, next), "uncovered objects change what strikes");
    hostile::assert_unknown(world);
}

fn make(world: &mut World, next: Move) -> bool {
    let (retired, calls) = (is_retired(world), world.calls_made);
    let made = next.make(world);
    assert!(!retired || world.calls_made == calls, "called for under a retired rule");
    made
}
