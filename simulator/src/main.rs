//! The simulator's program: reads the arguments, runs, and turns the result into an exit code.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use gameliftstreams_simulator::args::Args;
use gameliftstreams_simulator::config::Config;
use gameliftstreams_simulator::run::run;

const USAGE: u8 = 2;

fn main() -> ExitCode {
    match Args::parse().into_config() {
        Ok(config) => start(config),
        Err(error) => {
            complain(&error);
            ExitCode::from(USAGE)
        }
    }
}

fn start(config: Config) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(config));
    // Requests and uploads on the way are given up.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn complain(text: &str) {
    drop(writeln!(std::io::stderr(), "gameliftstreams-simulator: {text}"));
}
