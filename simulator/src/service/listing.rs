//! Pages of sessions, and the tokens between them.

use crate::behaviour::{Behaviour, PageToken};
use crate::clock::Millis;
use crate::identity::Scope;
use crate::service::group::Group;
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

/// Where a page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Behind the session of this number, or with the first one: they count from 1.
    After(u64),
    /// Behind so many sessions, whichever they are.
    Offset(usize),
}

impl World {
    /// One page of sessions.
    pub fn page<'w>(&'w self, query: &Query<'_>) -> Result<Page<'w>, ApiError> {
        let start = match &query.list.next_token {
            Some(token) => query.open_token(token)?,
            None => Start::After(0),
        };
        let (after, skipped) = match start {
            Start::After(seq) => (seq, 0),
            Start::Offset(count) => (0, count),
        };
        // Skipped by their numbers where each of these is shown: to look at all of them would take longer with each page.
        let (skipped_numbers, skipped_shown) =
            if self.shows_all_candidates(query) { (skipped, 0) } else { (0, skipped) };
        let candidates = self.candidates(query, after).skip(skipped_numbers);
        let shown = candidates.filter_map(|seq| self.sessions.get(&seq)).filter_map(|session| {
            let view = query.shows(session, &self.switches().of(&session.id))?;
            Some((session, view))
        });
        let size = query.list.max_results;
        let mut items: Vec<_> = shown.skip(skipped_shown).take(size.saturating_add(1)).collect();
        let has_more = items.len() > size;
        items.truncate(size);
        let next = match self.switches().defaults.page_token {
            PageToken::Session => Start::After(items.last().map_or(after, |(session, _)| session.seq)),
            PageToken::Offset => Start::Offset(skipped + items.len()),
        };
        Ok(Page { items, next_token: has_more.then(|| query.seal_token(next)) })
    }

    /// The numbers of the sessions that may be on the list, in the order of their creation.
    fn candidates<'w: 'q, 'q>(&'w self, query: &Query<'q>, after: u64) -> Box<dyn Iterator<Item = u64> + 'q> {
        match query.group {
            Some(id) => {
                let (status, export) = (query.list.status, query.list.export_status);
                let is_lagging = self.switches().has_list_lag();
                let choose =
                    |group: &'w Group| if is_lagging { group.sessions() } else { group.sessions_in(status, export) };
                let sessions = self.group(query.scope, id).map(choose);
                Box::new(sessions.into_iter().flat_map(move |sessions| sessions.range(after + 1..)).copied())
            }
            None => {
                let scope = query.scope;
                let rest = self.sessions.range(after + 1..);
                Box::new(rest.filter(move |(_, session)| *session.scope == *scope).map(|(seq, _)| *seq))
            }
        }
    }

    /// Whether no filter takes any of the candidates away.
    fn shows_all_candidates(&self, query: &Query<'_>) -> bool {
        let filters = [query.list.status.is_some(), query.list.export_status.is_some()];
        query.group.is_some() && filters != [true, true] && !self.switches().has_list_lag()
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
    fn seal_token(&self, start: Start) -> String {
        let start = match start {
            Start::After(seq) => format!("after:{seq}"),
            Start::Offset(count) => format!("offset:{count}"),
        };
        hex(format!("{start}|{}", self.fingerprint()).as_bytes())
    }

    fn open_token(&self, token: &str) -> Result<Start, ApiError> {
        let text = unhex(token).ok_or_else(bad_token)?;
        let (start, fingerprint) = text.split_once('|').ok_or_else(bad_token)?;
        if fingerprint != self.fingerprint() {
            return Err(bad_token());
        }
        let start = match start.split_once(':') {
            Some(("after", seq)) => seq.parse().ok().map(Start::After),
            Some(("offset", count)) => count.parse().ok().map(Start::Offset),
            Some(_) | None => None,
        };
        start.ok_or_else(bad_token)
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
