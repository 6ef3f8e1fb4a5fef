//! The six operations, from a call that may be made to what the service says.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use crate::app::App;
use crate::behaviour::BucketCheck;
use crate::clock::Millis;
use crate::faults::Plan;
use crate::service::identifier::{Asker, unknown};
use crate::service::listing::Query;
use crate::service::session::{Session, View};
use crate::service::world::World;
use crate::wire::answer::{self, Answer};
use crate::wire::error::ApiError;
use crate::wire::request::{Export, List, Start, identifiers};
use crate::wire::route::{Operation, Route, bare_id};
use crate::wire::sigv4::Caller;

/// A call whose signature is good.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The simulator.
    pub app: &'a Arc<App>,
    /// The operation and its path parameters.
    pub route: &'a Route,
    /// The caller.
    pub caller: &'a Caller,
    /// The raw query.
    pub query: &'a str,
    /// The body.
    pub body: &'a Bytes,
    /// The faults that it is to meet.
    pub plan: &'a Plan,
}

impl Call<'_> {
    /// What IAM says.
    pub fn authorise(&self) -> Result<(), ApiError> {
        if !self.caller.identity.deny.contains(&self.route.operation) {
            return Ok(());
        }
        Err(self.caller.denied(self.route))
    }

    /// Does it.
    pub async fn run(&self) -> Result<Answer, ApiError> {
        match self.route.operation {
            Operation::StartStreamSession => self.start(),
            Operation::GetStreamSession => self.get(),
            Operation::ListStreamSessions | Operation::ListStreamSessionsByAccount => self.list(),
            Operation::ExportStreamSessionFiles => self.export().await,
            Operation::TerminateStreamSession => self.terminate(),
        }
    }

    fn start(&self) -> Result<Answer, ApiError> {
        let input = Start::read(self.group(), self.body)?;
        let now = self.app.clock.now();
        let mut world = self.app.world();
        let group = self.asker().group(self.group())?.to_owned();
        let scope = &self.caller.scope;
        let applications = &world.group(scope, &group).ok_or_else(|| unknown("Stream group", &group))?.applications;
        let wanted = input.application_identifier.as_deref().unwrap_or_default();
        if !applications.is_empty() && !applications.iter().any(|id| id == bare_id(wanted)) {
            return Err(unknown("Application", wanted));
        }
        let behaviour = world.switches().defaults.clone();
        let session = world.start(scope, &group, input, now)?;
        let body = answer::full(session, &View::of_get(&behaviour, now));
        let id = session.id.clone();
        drop(world);
        self.app.wake.notify_one();
        Ok(Answer { session: Some(id), ..Answer::json(201, body) })
    }

    fn get(&self) -> Result<Answer, ApiError> {
        identifiers(self.group(), self.session())?;
        let now = self.app.clock.now();
        let world = self.app.world();
        let session = self.find(&world, now)?;
        let view = self.plan.lagging(&session.id, View::of_get(&world.switches().of(&session.id), now), now);
        Ok(Answer::json(200, answer::full(session, &view)))
    }

    fn list(&self) -> Result<Answer, ApiError> {
        let list = List::read(self.route.group.as_deref(), self.query)?;
        let world = self.app.world();
        // Behind the lock: of a time before a change that has been made, the list of neither status would show the session.
        let now = self.app.clock.now();
        let group = self.route.group.as_deref().map(|group| self.known_group(&world, group)).transpose()?;
        let query = Query { scope: &self.caller.scope, group, list: &list, now };
        let page = world.page(&query)?;
        let items: Vec<_> = page
            .items
            .iter()
            .map(|(session, view)| answer::summary(session, &self.plan.lagging(&session.id, *view, now)))
            .collect();
        let listed = page.items.iter().map(|(session, _)| session.id.clone()).collect();
        let mut body = json!({ "Items": items });
        if let Some(token) = page.next_token {
            body["NextToken"] = token.into();
        }
        Ok(Answer { listed: Some(listed), ..Answer::json(200, body) })
    }

    async fn export(&self) -> Result<Answer, ApiError> {
        let uri = Export::read(self.group(), self.session(), self.body)?;
        let now = self.app.clock.now();
        let (id, check) = {
            let world = self.app.world();
            let session = self.find(&world, now)?;
            (session.id.clone(), world.switches().of(&session.id).bucket_check)
        };
        if check != BucketCheck::AtUpload {
            self.check_bucket(&uri).await?;
        }
        let key = &self.caller.identity.access_key_id;
        self.app.world().export(&id, &uri, key, self.app.clock.now())?;
        self.app.wake.notify_one();
        Ok(Answer::json(200, json!({})))
    }

    async fn check_bucket(&self, uri: &str) -> Result<(), ApiError> {
        let region = &self.caller.scope.region;
        match self.app.uploader.head_bucket(uri, &self.caller.identity, region).await.refusal {
            None => Ok(()),
            Some(why) => Err(ApiError::validation(format!("The output URI {uri} cannot be used. {why}"))),
        }
    }

    fn terminate(&self) -> Result<Answer, ApiError> {
        identifiers(self.group(), self.session())?;
        let now = self.app.clock.now();
        let mut world = self.app.world();
        let id = self.find(&world, now)?.id.clone();
        world.terminate(&id, now)?;
        drop(world);
        self.app.wake.notify_one();
        Ok(Answer::empty(204))
    }

    fn find<'w>(&self, world: &'w World, now: Millis) -> Result<&'w Session, ApiError> {
        let group = self.known_group(world, self.group())?;
        let id = self.asker().session(group, self.session())?;
        let found = world.find(&self.caller.scope, group, id, now);
        found.ok_or_else(|| unknown("Stream session", self.session()))
    }

    fn known_group<'g>(&self, world: &World, identifier: &'g str) -> Result<&'g str, ApiError> {
        let id = self.asker().group(identifier)?;
        match world.group(&self.caller.scope, id) {
            Some(_) => Ok(id),
            None => Err(unknown("Stream group", identifier)),
        }
    }

    fn asker(&self) -> Asker<'_> {
        self.caller.asks(self.route.operation)
    }

    fn group(&self) -> &str {
        self.route.group.as_deref().unwrap_or_default()
    }

    fn session(&self) -> &str {
        self.route.session.as_deref().unwrap_or_default()
    }
}
