//! What happens by itself, in the order of its time.

use std::cmp::Reverse;

use crate::clock::Millis;
use crate::service::exports::Job;
use crate::service::lifecycle::{Step, next_step};
use crate::service::session::Status;
use crate::service::world::{World, key_of};

impl World {
    /// When the next thing happens by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        let arrival = self.next_arrival().map(|(at, _)| at);
        self.next_planned().into_iter().chain(arrival).min()
    }

    fn next_planned(&self) -> Option<Millis> {
        self.agenda.peek().map(|Reverse((due, _, _))| *due)
    }

    /// Lets everything happen that is due, each at its own time, and returns the uploads to make.
    pub fn advance(&mut self, now: Millis) -> Vec<Job> {
        let mut jobs = Vec::new();
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            match self.next_arrival() {
                Some((at, id)) if at <= due => self.admit_arrival(id, at),
                Some(_) | None => jobs.extend(self.take_planned(now)),
            }
        }
        jobs
    }

    /// Takes the first entry of the agenda; one that was planned before the session changed is stale.
    fn take_planned(&mut self, now: Millis) -> Option<Job> {
        let Reverse((_, seq, generation)) = self.agenda.pop()?;
        let session = self.sessions.get(&seq).filter(|session| session.generation == generation)?;
        match next_step(session, &self.switches.of(&session.id)) {
            Some((at, step)) if at <= now => self.take(seq, at, step),
            Some(_) | None => {
                self.plan(seq);
                None
            }
        }
    }

    fn take(&mut self, seq: u64, at: Millis, step: Step) -> Option<Job> {
        match step {
            Step::Activate => self.set_status(seq, at, Status::Active, None, false),
            Step::Connect => self.set_status(seq, at, Status::Connected, None, false),
            Step::Disconnect => self.lose_client(seq, at),
            Step::End(reason) => self.set_status(seq, at, Status::Terminating, Some(reason), false),
            Step::Terminate => {
                let reason = self.sessions.get(&seq).and_then(|session| session.state.current().reason);
                self.set_status(seq, at, Status::Terminated, reason, false);
            }
            Step::Upload => return self.begin_upload(seq),
            Step::FailExport => self.fail_export(seq, at),
            Step::Forget => self.forget(seq),
        }
        None
    }

    fn forget(&mut self, seq: u64) {
        let Some(session) = self.sessions.remove(&seq) else { return };
        self.by_id.remove(&session.id);
        if let Some(group) = self.groups.get_mut(&key_of(&session)) {
            group.remove(&session);
        }
    }

    /// Puts the session's next step on the agenda; what stood there for it is stale now.
    pub(super) fn plan(&mut self, seq: u64) {
        let Some(session) = self.sessions.get_mut(&seq) else { return };
        session.generation += 1;
        if let Some((due, _)) = next_step(session, &self.switches.of(&session.id)) {
            self.agenda.push(Reverse((due, seq, session.generation)));
        }
    }
}
