//! The binary: calls `cli::main` of the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    session_export_operator::cli::main()
}
