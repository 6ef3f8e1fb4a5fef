//! Parses the arguments, runs, tells the exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    session_export_operator::cli::main()
}
