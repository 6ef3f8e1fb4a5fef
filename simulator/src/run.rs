//! Starts everything, says where, and runs until it is told to stop.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::app::App;
use crate::behaviour::Switches;
use crate::clock::Clock;
use crate::config::Config;
use crate::export::upload::Uploader;
use crate::faults::FaultBook;
use crate::host_policy::HostPolicy;
use crate::identity::{EXAMPLE_KEY_ID, KeyRing, Scope, example_key};
use crate::journal::Journal;
use crate::quota::Quota;
use crate::s3::Store;
use crate::service::world::World;
use crate::{control, engine, server};

/// Why the simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken, or an address is not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The journal's file cannot be opened.
    #[error("cannot open the journal")]
    Journal(#[source] io::Error),
    /// The S3's folder cannot be used.
    #[error("cannot use the folder of the embedded S3: {0}")]
    Store(String),
    /// The seeded sessions contradict the rest.
    #[error("cannot make the sessions: {0}")]
    Sessions(String),
    /// The system refuses something basic.
    #[error("cannot run")]
    System(#[from] io::Error),
}

/// The embedded S3, ready to serve.
struct Embedded {
    listener: TcpListener,
    store: Store,
    /// Removed when dropped.
    _temporary: Option<TempDir>,
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(config: Config) -> Result<(), StartError> {
    let listener = listen(&config, config.port).await?;
    let embedded = match &config.s3.endpoint {
        Some(_) => None,
        None => Some(embed(&config).await?),
    };
    let aws = format!("http://{}", listener.local_addr()?);
    let s3 = match (&embedded, &config.s3.endpoint) {
        (Some(embedded), _) => format!("http://{}", embedded.listener.local_addr()?),
        (None, endpoint) => endpoint.clone().unwrap_or_default(),
    };
    let app = Arc::new(build(&config, &s3)?);
    let hosts = Arc::new(HostPolicy::new(config.host, config.allow_hosts.clone()));
    tokio::spawn(engine::run(app.clone()));
    let aws_side = server::AwsSide { app: app.clone(), control: control::router(app.clone()), hosts: hosts.clone() };
    tokio::spawn(server::serve_aws(listener, aws_side));
    let mut temporary = None;
    if let Some(Embedded { listener, store, _temporary }) = embedded {
        let service = store.service(app.keys.clone()).map_err(StartError::Store)?;
        tokio::spawn(server::serve_s3(listener, service, hosts));
        temporary = _temporary;
    }
    announce(&app, &aws, &s3)?;
    stopped().await?;
    drop(temporary);
    Ok(())
}

async fn listen(config: &Config, port: u16) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind((config.host, port)).await;
    bound.map_err(|source| StartError::Listen { address: format!("{}:{port}", config.host), source })
}

async fn embed(config: &Config) -> Result<Embedded, StartError> {
    let listener = listen(config, config.s3_port).await?;
    let mut temporary = None;
    let folder = match &config.s3.folder {
        Some(folder) => folder.clone(),
        None => temporary_folder(&mut temporary)?,
    };
    let store = Store { folder, buckets: config.s3.buckets.clone(), denied: config.s3.denied_buckets.clone() };
    store.prepare().map_err(|error| StartError::Store(format!("{}: {error}", store.folder.display())))?;
    Ok(Embedded { listener, store, _temporary: temporary })
}

fn temporary_folder(slot: &mut Option<TempDir>) -> io::Result<PathBuf> {
    let folder = tempfile::Builder::new().prefix("gameliftstreams-simulator-").tempdir()?;
    let path = folder.path().to_owned();
    *slot = Some(folder);
    Ok(path)
}

fn build(config: &Config, s3: &str) -> Result<App, StartError> {
    let clock = Arc::new(Clock::start());
    let journal = Journal::new(config.journal_keep, config.journal.as_deref()).map_err(StartError::Journal)?;
    let journal = Arc::new(journal);
    let home = Scope::new(&config.account, config.regions.first().map_or("", String::as_str));
    let mut faults = FaultBook::default();
    for rule in &config.faults {
        faults.add(rule.clone());
    }
    Ok(App {
        world: Mutex::new(world(config, &home, &clock, &journal)?),
        keys: Arc::new(RwLock::new(keys(config, &clock))),
        faults: Mutex::new(faults),
        quota: Mutex::new(Quota::new(config.quota.clone())),
        uploader: Uploader::new(s3),
        regions: config.regions.clone(),
        default_key: EXAMPLE_KEY_ID.to_owned(),
        wake: Notify::new(),
        home,
        clock,
        journal,
    })
}

fn world(config: &Config, home: &Scope, clock: &Arc<Clock>, journal: &Arc<Journal>) -> Result<World, StartError> {
    let mut switches = Switches { overrides: config.overrides.clone(), ..Switches::default() };
    config.behaviour.apply(&mut switches.defaults);
    let mut world = World::new(switches, clock.clone(), journal.clone());
    for group in &config.groups {
        let account = group.account.as_ref().unwrap_or(&config.account);
        for region in config.regions.iter().filter(|region| group.region.as_ref().is_none_or(|only| only == *region)) {
            world.add_group(&Scope::new(account, region), &group.id, group.applications.clone());
        }
    }
    for seed in &config.sessions {
        world.seed(seed, home, clock.now()).map_err(StartError::Sessions)?;
    }
    for plan in &config.arrivals {
        world.start_arrivals(plan.clone(), home, clock.now()).map_err(StartError::Sessions)?;
    }
    Ok(world)
}

fn keys(config: &Config, clock: &Clock) -> KeyRing {
    let mut keys = KeyRing::default();
    for key in std::iter::once(example_key()).chain(config.keys.iter().cloned()) {
        keys.add(key, &config.account, clock.now());
    }
    keys
}

/// One line on stdout once every port answers.
fn announce(app: &App, aws: &str, s3: &str) -> io::Result<()> {
    let line = json!({
        "aws": aws,
        "s3": s3,
        "account": app.home.account,
        "region": app.home.region,
        "regions": app.regions,
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

async fn stopped() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
