//! The passing of time: takes what is due from the agenda, and makes the uploads.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use crate::app::App;
use crate::behaviour::{BucketCheck, ExpiredCaller};
use crate::clock;
use crate::export::archive;
use crate::export::destination;
use crate::export::upload::Answer;
use crate::journal::{Event, Kind};
use crate::service::exports::{Job, Outcome};

/// Runs for as long as the simulator.
pub async fn run(app: Arc<App>) {
    loop {
        let due = app.world().next_due();
        let woken = app.wake.notified();
        match due.map(|due| u64::try_from(due - app.clock.now()).unwrap_or(0)) {
            Some(0) => {}
            Some(wait) => tokio::select! {
                () = sleep(Duration::from_millis(wait)) => {}
                () = woken => {}
            },
            None => woken.await,
        }
        let jobs = app.world().advance(app.clock.now());
        for job in jobs {
            tokio::spawn(upload(app.clone(), job));
        }
    }
}

async fn upload(app: Arc<App>, job: Job) {
    let started = app.clock.since_start();
    let (answer, bytes) = deliver(&app, &job).await;
    let (bucket, _) = destination::split(&job.object).unwrap_or_default();
    let event = Event {
        account: Some(job.scope.account.clone()),
        region: Some(job.scope.region.clone()),
        group: Some(job.group.to_string()),
        session: Some(job.session.clone()),
        output_uri: Some(job.object.clone()),
        access_key_id: job.access_key_id.clone(),
        status: answer.status,
        error: answer.refusal.as_deref().map(|why| why.split(':').next().unwrap_or(why).to_owned()),
        reason: answer.refusal.clone(),
        bytes: Some(bytes),
        duration_ms: Some(clock::rounded(app.clock.since_start() - started)),
        ..Event::default()
    };
    app.journal.write(Kind::Upload, started, event);
    let outcome = match answer.refusal {
        None => Outcome::Stored,
        Some(_) if job.behaviour.bucket_check == BucketCheck::AtCall => Outcome::Stuck,
        Some(why) => Outcome::Refused(format!("{why} (bucket: {bucket})")),
    };
    app.world().finish_upload(job.seq, outcome, app.clock.now());
    app.wake.notify_one();
}

async fn deliver(app: &App, job: &Job) -> (Answer, usize) {
    let refuse = |why: &str| (Answer { status: None, refusal: Some(why.to_owned()) }, 0);
    let Some(identity) = app.authority(job.access_key_id.as_deref()) else {
        return refuse("InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records.");
    };
    if identity.expired(app.clock.now()) && job.behaviour.expired_caller == ExpiredCaller::Fail {
        return refuse("ExpiredToken: The provided token has expired.");
    }
    let Some(_turn) = app.uploader.turn().await else {
        return refuse("InternalError: the simulator is stopping.");
    };
    let content = archive::Content::of(job);
    let packed = tokio::task::spawn_blocking(move || archive::pack(&content)).await;
    match packed {
        Ok(Ok(zip)) => {
            let bytes = zip.len();
            let answer = app.uploader.put(&job.object, Bytes::from(zip), &identity, &job.scope.region).await;
            (answer, bytes)
        }
        Ok(Err(error)) => refuse(&format!("InternalError: {error}")),
        Err(error) => refuse(&format!("InternalError: {error}")),
    }
}
