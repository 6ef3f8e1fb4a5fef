//! What holds for every row: held ones show late, and not for ever; and when to look again.

use super::{Authority, Decision, Next, Scene, Step, Verdict, remaining};
use crate::export::evidence::Evidence;
use crate::export::row::{Held, Outcome, Row};
use tokio::time::Instant;

impl Scene<'_> {
    /// Applies what holds for every row: held ones show late, and not for ever.
    pub(super) fn settle(&self, verdict: Verdict) -> Decision {
        let Verdict { row, next } = verdict;
        let look_at = self.look_at(&next);
        let due = look_at.is_some_and(|at| at <= self.now.mono);
        let step = self.step(next);
        let decision = match row {
            Some(Row::Held(held)) => self.settle_held(held, step),
            row @ (None | Some(Row::Requesting | Row::Pending | Row::Overdue | Row::Final(_) | Row::AtRest)) => {
                self.settle_waiting(row, step, due)
            }
        };
        self.with_look(decision, look_at)
    }

    /// The reading comes without being asked for again; what remains is when to decide again without one.
    fn with_look(&self, decision: Decision, look_at: Option<Instant>) -> Decision {
        let ended = matches!(decision.row, Some(Row::Final(_)));
        let Some(at) = look_at.filter(|_| !ended) else {
            let waits = matches!(decision.step, Step::AskTurn(_));
            return Decision { look: waits.then(|| self.keep_fresh()), ..decision };
        };
        let again = match decision.step {
            Step::Wait(then) => Some(then),
            Step::Rest | Step::Read | Step::AskTurn(_) | Step::Call | Step::Delete => None,
        };
        let due = at <= self.now.mono;
        let step = if due { Step::Read } else { Step::Wait(again.map_or(at, |then| then.min(at))) };
        let look = Some(self.look(at, decision.row.as_ref(), again));
        Decision { step, look, ..decision }
    }

    /// Nothing holds it but, perhaps, the quota.
    fn settle_waiting(&self, row: Option<Row>, step: Step, look_is_due: bool) -> Decision {
        let waits = (look_is_due || matches!(step, Step::AskTurn(_))) && row.is_none() && !self.accepted();
        match self.seen.attempt.tells_at.filter(|_| waits) {
            Some(tells_at) if tells_at <= self.now.mono => {
                let row = self.bounded(Held::RateLimited);
                Decision {
                    step: if matches!(row, Row::Final(_)) { Step::Rest } else { step },
                    row: Some(row),
                    held: None,
                    look: None,
                }
            }
            _ => Decision { step: self.overdue_in_time(row.as_ref(), step), row, held: None, look: None },
        }
    }

    /// What is merely pending must be looked at again when it is due.
    fn overdue_in_time(&self, row: Option<&Row>, step: Step) -> Step {
        if row != Some(&Row::Pending) {
            return step;
        }
        let left = remaining(self.latest_end(), self.timing.overdue_after, self.now.wall);
        if left.is_zero() { step } else { self.earlier(step, self.now.mono + left) }
    }

    fn settle_held(&self, held: Held, step: Step) -> Decision {
        let reason = held.reason();
        let since = match self.seen.attempt.held {
            Some((same, since)) if same == reason => since,
            _ => self.now.mono,
        };
        let shows_at = if held.shows_at_once() { since } else { since + self.timing.held_status_delay };
        if self.now.mono < shows_at {
            return Decision { row: None, step: self.earlier(step, shows_at), held: Some(reason), look: None };
        }
        let row = self.bounded(held);
        let step = match row {
            Row::Final(_) => Step::Rest,
            Row::Held(_) | Row::Requesting | Row::Pending | Row::Overdue | Row::AtRest => self.watchful(step),
        };
        Decision { row: Some(row), step, held: Some(reason), look: None }
    }

    /// The last of all rules: never accepted for longer than any session lives.
    pub(super) fn bounded(&self, held: Held) -> Row {
        let over = remaining(self.export.created, self.timing.acceptance_bound, self.now.wall).is_zero();
        let unclear = self.observed.authority == Authority::Allowed && self.seen.evidence == Evidence::Stale;
        let exempt = self.unbounded() || held == Held::DestinationUnknown || unclear;
        if over && !exempt {
            Row::Final(Outcome::GaveUp { held: Box::new(held), bound: self.timing.acceptance_bound })
        } else {
            Row::Held(held)
        }
    }

    pub(super) fn unbounded(&self) -> bool {
        self.intended() || self.export.options.suspend
    }

    /// A held row that turns Stalled, or ends at the bound, must be looked at by then.
    pub(super) fn watchful(&self, step: Step) -> Step {
        let bound = self.now.mono + remaining(self.export.created, self.timing.acceptance_bound, self.now.wall);
        let bound = Some(bound).filter(|_| !self.unbounded());
        let troubles = [self.seen.attempt.read_trouble, self.seen.attempt.call_trouble];
        let stalls = troubles.into_iter().flatten().map(|trouble| trouble.since + self.timing.denial_stalled_after);
        let turns = stalls.chain(bound).filter(|at| *at > self.now.mono);
        turns.fold(step, |step, at| self.earlier(step, at))
    }

    pub(super) fn earlier(&self, step: Step, at: Instant) -> Step {
        match step {
            Step::Rest => Step::Wait(at),
            Step::Wait(then) => Step::Wait(then.min(at)),
            Step::AskTurn(then) => Step::AskTurn(then.min(at)),
            Step::Read | Step::Call | Step::Delete => step,
        }
    }

    /// When a reading is due; after trouble with reading, not before it may be tried again.
    fn look_at(&self, next: &Next) -> Option<Instant> {
        match next {
            Next::LookAt(at) => Some(self.seen.attempt.read_trouble.map_or(*at, |trouble| trouble.retry_at.max(*at))),
            Next::Rest | Next::Wait(_) | Next::AskTurn | Next::Call | Next::Delete => None,
        }
    }

    /// The step, reading apart.
    fn step(&self, next: Next) -> Step {
        let now = self.now.mono;
        match next {
            Next::Rest | Next::LookAt(_) => Step::Rest,
            Next::Wait(at) => Step::Wait(at),
            Next::AskTurn => Step::AskTurn(now + self.timing.held_status_delay),
            Next::Call => Step::Call,
            Next::Delete => Step::Delete,
        }
    }
}
