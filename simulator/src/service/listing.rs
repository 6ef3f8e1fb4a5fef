//! Pages of sessions, and the tokens between them.

use crate::behaviour::Behaviour;
use crate::clock::Millis;
use crate::identity::Scope;
use crate::service::session::{Session, View, after, before};
use crate::service::world::World;
use crate::wire::error::ApiError;
use crate::wire::request::List;
use crate::wire::sigv4::hex;

/// Whose sessions are wanted, and as of when.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The account and Region.
    pub scope: &'a Scope,
    /// The group; none for ListStreamSessionsByAccount.
    pub group: Option<&'a str>,
    /// Filters and paging.
    pub list: &'a List,
    /// The simulated time.
    pub now: Millis,
}

/// One page.
pub struct Page<'a> {
    /// The sessions, each with how this list sees it.
    pub items: Vec<(&'a Session, View)>,
    /// Where the next page starts.
    pub next_token: Option<String>,
}

impl World {
    /// One page of sessions.
    pub fn page<'w>(&'w self, query: &Query<'_>) -> Result<Page<'w>, ApiError> {
        let from = match &query.list.next_token {
            Some(token) => query.open_token(token)?,
            None => 0,
        };
        let mut items = Vec::new();
        let mut last = from;
        for session in self.candidates(query, from) {
            let behaviour = self.switches().of(&session.id);
            let Some(view) = query.shows(session, &behaviour) else { continue };
            if items.len() == query.list.max_results {
                return Ok(Page { items, next_token: Some(query.seal_token(last)) });
            }
            last = session.seq;
            items.push((session, view));
        }
        Ok(Page { items, next_token: None })
    }

    fn candidates<'w: 'q, 'q>(&'w self, query: &Query<'q>, from: u64) -> Box<dyn Iterator<Item = &'w Session> + 'q> {
        match query.group {
            Some(id) => {
                let all = self.group(query.scope, id).map_or(&[][..], |group| &group.sessions);
                let rest = &all[all.partition_point(|&seq| seq <= from)..];
                Box::new(rest.iter().filter_map(|seq| self.sessions.get(seq)))
            }
            None => {
                let scope = query.scope;
                let rest = self.sessions.range(from + 1..).map(|(_, session)| session);
                Box::new(rest.filter(move |session| *session.scope == *scope))
            }
        }
    }
}

impl Query<'_> {
    /// How the list sees the session, if it passes the filters.
    fn shows(&self, session: &Session, behaviour: &Behaviour) -> Option<View> {
        if after(session.created_at, behaviour.new_session_lag_ms) > self.now {
            return None;
        }
        let view = View::of_list(behaviour, self.now, self.group.is_none());
        let lag = behaviour.list_filter_lag_ms;
        let state = session.state.as_of(before(view.status_at, lag));
        let export = session.export.as_of(before(view.export_at, lag));
        let status_fits = self.list.status.is_none_or(|wanted| state.status == wanted);
        let export_fits =
            self.list.export_status.is_none_or(|wanted| export.as_ref().is_some_and(|export| export.status == wanted));
        (status_fits && export_fits).then_some(view)
    }

    /// A token holds for the same query only, as a stranger's would not.
    fn seal_token(&self, last: u64) -> String {
        hex(format!("{last}|{}", self.fingerprint()).as_bytes())
    }

    fn open_token(&self, token: &str) -> Result<u64, ApiError> {
        let text = unhex(token).ok_or_else(bad_token)?;
        let (last, fingerprint) = text.split_once('|').ok_or_else(bad_token)?;
        if fingerprint != self.fingerprint() {
            return Err(bad_token());
        }
        last.parse().map_err(|_| bad_token())
    }

    fn fingerprint(&self) -> String {
        format!(
            "{}/{}/{}/{}/{}",
            self.scope.account,
            self.scope.region,
            self.group.unwrap_or_default(),
            self.list.status.map_or("", |status| status.word()),
            self.list.export_status.map_or("", |status| status.word()),
        )
    }
}

fn bad_token() -> ApiError {
    ApiError::validation("The provided NextToken is not valid.")
}

fn unhex(text: &str) -> Option<String> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect();
    String::from_utf8(bytes?).ok()
}
