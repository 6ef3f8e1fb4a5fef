//! The command line: `run`, `crd`, `check-config`. Flags and the configuration file become typed values here, before
//! any other work. Exit codes: 0 done, 1 failed at work or ended by a second signal, 2 bad flags or configuration.

pub mod logging;

use crate::api;
use crate::app::{RunError, RunOptions, run};
use crate::config::{Config, ConfigError};
use clap::{Args, Parser, Subcommand, ValueEnum};
use logging::{LogFormat, LogLevel};
use std::error::Error;
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Asks Amazon GameLift Streams to export the files of stream sessions to S3, as SessionExport objects say.
#[derive(Debug, Parser)]
#[command(name = "session-export-operator", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator until SIGTERM or SIGINT; a second signal ends it at once (exit code 1).
    Run(RunArguments),
    /// Print the CustomResourceDefinitions as YAML, for kubectl apply -f -.
    Crd {
        /// The one to print. Default: both.
        definition: Option<Definition>,
    },
    /// Check a configuration file without contacting AWS or Kubernetes: print a summary, or what is wrong (exit code 2).
    CheckConfig {
        /// The configuration file.
        #[arg(long, value_name = "PATH", env = "SESSION_EXPORT_CONFIG")]
        config: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "lower")]
enum Definition {
    /// That of SessionExport.
    SessionExports,
    /// That of SessionExportPolicy.
    SessionExportPolicies,
}

#[derive(Debug, Args)]
struct RunArguments {
    /// The configuration file. Without one every default applies: no rules, so no destination is allowed.
    #[arg(long, value_name = "PATH", env = "SESSION_EXPORT_CONFIG")]
    config: Option<PathBuf>,
    /// Format of log lines.
    #[arg(long, value_name = "FORMAT", env = "LOG_FORMAT", default_value = "json")]
    log_format: LogFormat,
    /// Log level: error, warn, info, debug, trace, or directives such as info,session_export_operator=debug.
    #[arg(long, value_name = "LEVEL", env = "RUST_LOG", default_value = "info")]
    log_level: LogLevel,
    /// Address of the metrics (/metrics). [::] is every address, of IPv4 too.
    #[arg(long, value_name = "ADDRESS", env = "SESSION_EXPORT_LISTEN", default_value = "[::]:8080", value_parser = parse_address)]
    listen: SocketAddr,
    /// Address of the probes (/healthz, /readyz). [::] is every address, of IPv4 too.
    #[arg(long, value_name = "ADDRESS", env = "SESSION_EXPORT_HEALTH_LISTEN", default_value = "[::]:8081", value_parser = parse_address)]
    health_listen: SocketAddr,
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "accepted is an IP address with a port, such as 0.0.0.0:8080 or [::]:8080".to_owned())
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("bad configuration")]
    Config(#[from] ConfigError),
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
    #[error("cannot print the CustomResourceDefinitions")]
    Crd(#[from] serde_yaml::Error),
    #[error("the operator failed")]
    Run(#[from] RunError),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) => ExitCode::from(2),
            Self::Output(_) | Self::Crd(_) | Self::Run(_) => ExitCode::FAILURE,
        }
    }
}

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(arguments) => run_operator(arguments),
        Command::Crd { definition } => print_crd(definition),
        Command::CheckConfig { config } => check_config(&config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If this fails too, the exit code is all that is left.
            io::stderr().write_all(format_error_chain(&failure).as_bytes()).ok();
            failure.exit_code()
        }
    }
}

fn run_operator(arguments: RunArguments) -> Result<(), Failure> {
    let config = arguments.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
    logging::start(arguments.log_format, &arguments.log_level);
    let options =
        RunOptions { listen: arguments.listen, health_listen: arguments.health_listen, identity: replica_identity() };
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(run(config, options));
    // Dropping the runtime would delay the exit by a DNS lookup in progress, with no task left to handle a signal.
    runtime.shutdown_background();
    Ok(outcome?)
}

fn print_crd(definition: Option<Definition>) -> Result<(), Failure> {
    let text = match definition {
        Some(Definition::SessionExports) => api::crd_yaml()?,
        Some(Definition::SessionExportPolicies) => api::policy::policy_crd_yaml()?,
        None => format!("{}---\n{}", api::crd_yaml()?, api::policy::policy_crd_yaml()?),
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn check_config(path: &std::path::Path) -> Result<(), Failure> {
    let config = Config::load(path)?;
    Ok(io::stdout().write_all(config_summary(&config).as_bytes())?)
}

fn config_summary(config: &Config) -> String {
    let or = |text: Option<String>, absent: &str| text.unwrap_or_else(|| absent.to_owned());
    let account = or(config.aws.account_id.as_ref().map(ToString::to_string), "not given");
    let region = or(config.aws.region.as_ref().map(ToString::to_string), "from the environment (AWS_REGION)");
    let rules = match config.rules.as_slice().len() {
        0 => "none, so no destination is allowed".to_owned(),
        count => count.to_string(),
    };
    let namespaces = match config.watch.namespaces.as_slice() {
        [] => "all".to_owned(),
        names => names.join(", "),
    };
    let selector = Some(config.watch.label_selector.clone()).filter(|text| !text.is_empty());
    let quota = config.quota;
    let lease = or(config.lease.namespace.clone(), "the Pod's namespace");
    format!(
        "ok\n  aws account  {account}\n  aws region   {region}\n  rules        {rules}\n  quota        \
         export {}/s, get {}/s, list {}/s\n  namespaces   {namespaces}\n  labels       {}\n  lease        {} in {lease}\n",
        quota.export,
        quota.get,
        quota.list,
        or(selector, "all"),
        config.lease.name,
    )
}

/// Formats an error and all its causes, on one line each.
fn format_error_chain(failure: &Failure) -> String {
    let mut text = format!("error: {failure}");
    let mut cause = failure.source();
    while let Some(error) = cause {
        // Writing to a String can't fail.
        write!(text, "\n  {error}").ok();
        cause = error.source();
    }
    text + "\n"
}

/// The Pod's UID; outside a Pod the host's name and a random number.
fn replica_identity() -> String {
    let host = || {
        let name = std::env::var("HOSTNAME").ok().or_else(|| std::fs::read_to_string("/etc/hostname").ok());
        name.unwrap_or_else(|| "localhost".to_owned())
    };
    std::env::var("POD_UUID")
        .ok()
        .filter(|uid| !uid.is_empty())
        .unwrap_or_else(|| format!("{}-{:016x}", host().trim(), RandomState::new().hash_one(std::process::id())))
}
