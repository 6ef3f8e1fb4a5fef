//! SIGTERM and SIGINT: the first one cancels a token, the second one ends the process.
//!
//! Owns: the signal handlers. Never: decides what ends in which order after the first signal.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code after a second signal, as controller-runtime has it: the shutdown has not been completed.
const SECOND_SIGNAL_EXIT_CODE: i32 = 1;

/// Installs handlers for SIGTERM and SIGINT. Returns the token that the first signal cancels. The second signal, of
/// either kind, ends the process at once, whatever is still running.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) fn cancel_on_signal() -> io::Result<CancellationToken> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let shutdown = CancellationToken::new();
    tokio::spawn(handle_signals(terminate, interrupt, shutdown.clone()));
    Ok(shutdown)
}

async fn handle_signals(mut terminate: Signal, mut interrupt: Signal, shutdown: CancellationToken) {
    let signal = next_signal(&mut terminate, &mut interrupt).await;
    tracing::info!(signal, "shutting down; a second signal ends the process at once");
    shutdown.cancel();
    let signal = next_signal(&mut terminate, &mut interrupt).await;
    tracing::warn!(signal, "second signal: the process ends without finishing its work or releasing the lease");
    std::process::exit(SECOND_SIGNAL_EXIT_CODE);
}

async fn next_signal(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
