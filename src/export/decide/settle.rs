//! What holds for every row: held ones show late, and not for ever; and when to look again.

use super::{Authority, Decision, Next, Scene, Step, Verdict, remaining};
use crate::export::evidence::Evidence;
use crate::export::row::{Held, Outcome, Row};
use tokio::time::Instant;

impl Scene<'_> {
    /// Applies what holds for every row: held ones show late, and not for ever.
    pub(super) fn settle(&self, verdict: Verdict) -> Decision {
        let Verdict { row, next } = verdict;
        match row {
            Some(Row::Held(held)) => self.settle_held(held, next),
            row @ (None | Some(Row::Requesting | Row::Pending | Row::Overdue | Row::Final(_) | Row::AtRest)) => {
                self.settle_waiting(row, next)
            }
        }
    }

    /// Nothing holds it but, perhaps, the quota.
    pub(super) fn settle_waiting(&self, row: Option<Row>, next: Next) -> Decision {
        let step = self.step(next);
        let waits = matches!(step, Step::Read | Step::AskTurn(_)) && row.is_none() && !self.accepted();
        let shows = |since: Instant| self.now.mono.duration_since(since) >= self.timing.held_after;
        match self.seen.attempt.waiting_since.filter(|_| waits) {
            Some(since) if shows(since) => {
                let row = self.bounded(Held::RateLimited);
                Decision {
                    step: if matches!(row, Row::Final(_)) { Step::Rest } else { step },
                    row: Some(row),
                    held: None,
                }
            }
            _ => Decision { row, step, held: None },
        }
    }

    pub(super) fn settle_held(&self, held: Held, next: Next) -> Decision {
        let reason = held.reason();
        let since = match self.seen.attempt.held {
            Some((same, since)) if same == reason => since,
            _ => self.now.mono,
        };
        let shows_at = if held.shows_at_once() { since } else { since + self.timing.held_after };
        if self.now.mono < shows_at {
            let step = self.earlier(self.step(next), shows_at);
            return Decision { row: None, step, held: Some(reason) };
        }
        let row = self.bounded(held);
        let step = match row {
            Row::Final(_) => Step::Rest,
            Row::Held(_) | Row::Requesting | Row::Pending | Row::Overdue | Row::AtRest => {
                self.watchful(self.step(next))
            }
        };
        Decision { row: Some(row), step, held: Some(reason) }
    }

    /// The last of all rules: never accepted for longer than any session lives.
    pub(super) fn bounded(&self, held: Held) -> Row {
        let over = remaining(self.export.created, self.timing.acceptance_bound, self.now.wall).is_zero();
        let unclear = self.observed.authority == Authority::Allowed && self.seen.evidence == Evidence::Stale;
        let exempt = self.unbounded() || held == Held::DestinationUnknown || unclear;
        if over && !exempt { Row::Final(Outcome::GaveUp(Box::new(held))) } else { Row::Held(held) }
    }

    pub(super) fn unbounded(&self) -> bool {
        self.intended() || self.export.options.suspend
    }

    /// A held row that turns Stalled, or ends at the bound, must be looked at by then.
    pub(super) fn watchful(&self, step: Step) -> Step {
        let bound = self.now.mono + remaining(self.export.created, self.timing.acceptance_bound, self.now.wall);
        let bound = Some(bound).filter(|_| !self.unbounded());
        let troubles = [self.seen.attempt.read_trouble, self.seen.attempt.call_trouble];
        let stalls = troubles.into_iter().flatten().map(|trouble| trouble.since + self.timing.denial_grace);
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

    pub(super) fn step(&self, next: Next) -> Step {
        let now = self.now.mono;
        match next {
            Next::Rest => Step::Rest,
            Next::Wait(at) => Step::Wait(at),
            Next::LookAt(at) => {
                let at = self.seen.attempt.read_trouble.map_or(at, |trouble| at.max(trouble.retry_at));
                if at <= now { Step::Read } else { Step::Wait(at) }
            }
            Next::AskTurn => Step::AskTurn(now + self.timing.held_after),
            Next::Call => Step::Call,
            Next::Delete => Step::Delete,
        }
    }
}
