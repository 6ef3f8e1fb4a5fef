//! A way to the API server that can be cut, silenced, or made to lose answers. It passes TLS on as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Open,
    /// Nothing gets through in either direction, and nothing breaks.
    Hole,
    /// What the client says gets through; the first word of the server's breaks the connection.
    Losing,
}

#[derive(Debug, Clone)]
struct State {
    mode: Mode,
    cuts: u32,
    silences: u32,
    /// The first piece of an answer that names this is dropped, and nothing shows it.
    swallow: Option<&'static str>,
    swallowed: Arc<AtomicUsize>,
    /// The end of a streamed list, and what follows it, waits until this is false again.
    holds_lists: bool,
    held: Arc<AtomicUsize>,
}

pub(crate) struct Proxy {
    /// As it goes into a kubeconfig.
    pub(crate) server: String,
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Passes everything on to `HOST:PORT`.
    pub(crate) async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("https://{}", listener.local_addr().unwrap());
        let (state, described) = watch::channel(State {
            mode: Mode::Open,
            cuts: 0,
            silences: 0,
            swallow: None,
            swallowed: Arc::default(),
            holds_lists: false,
            held: Arc::default(),
        });
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, upstream.clone(), described.clone()));
            }
        });
        Self { server, state, accepting }
    }

    pub(crate) fn open(&self) {
        self.set(Mode::Open);
    }

    pub(crate) fn black_hole(&self) {
        self.set(Mode::Hole);
    }

    pub(crate) fn lose_replies(&self) {
        self.set(Mode::Losing);
    }

    /// Breaks all connections; new ones go through.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Nothing gets through all connections that are open now, and nothing breaks; new ones go through.
    pub(crate) fn silence(&self) {
        self.state.send_modify(|state| state.silences += 1);
    }

    /// The next watch event that holds `word` is lost, and nothing breaks. Without TLS only.
    pub(crate) fn swallow(&self, word: &'static str) {
        self.state.send_modify(|state| state.swallow = Some(word));
    }

    /// How many were lost so.
    pub(crate) fn swallowed(&self) -> usize {
        self.state.borrow().swallowed.load(Ordering::Relaxed)
    }

    /// Streamed lists are not completed until they are let go on. Without TLS only.
    pub(crate) fn hold_lists(&self, hold: bool) {
        self.state.send_modify(|state| state.holds_lists = hold);
    }

    /// How many lists have been held.
    pub(crate) fn held(&self) -> usize {
        self.state.borrow().held.load(Ordering::Relaxed)
    }

    fn set(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(client: TcpStream, upstream: String, state: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let cuts = state.borrow().cuts;
    let mut cut = state.clone();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, state.clone(), false) => {}
        () = pump(from_server, to_client, state, true) => {}
        _ = cut.wait_for(|state| state.cuts > cuts) => {}
    }
}

/// True for a piece with one watch event, of an object with `word`. Bookmarks beside it are no events of an object: the
/// API server sends one whenever it likes, and they may be lost with it.
fn is_event_of(bytes: &[u8], word: &str) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let is_one = text.contains("\"type\":\"ADDED\"") && text.contains(word) && !text.starts_with("HTTP");
    let events = text.matches("\"type\":").count() - text.matches("\"type\":\"BOOKMARK\"").count();
    assert!(!is_one || (text.ends_with("\r\n") && events == 1), "more than one event: {text}");
    is_one
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    answers: bool,
) {
    let silences = state.borrow().silences;
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let heard = |state: &State| state.mode != Mode::Hole && state.silences == silences;
        let Ok(mode) = state.wait_for(heard).await.map(|state| state.mode) else { return };
        let (word, swallowed) = {
            let state = state.borrow();
            (state.swallow.filter(|_| answers), state.swallowed.clone())
        };
        // Only the first: later lists bring several events at a time.
        if swallowed.load(Ordering::Relaxed) == 0 && word.is_some_and(|word| is_event_of(&buffer[..read], word)) {
            swallowed.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let ends_list = || String::from_utf8_lossy(&buffer[..read]).contains("k8s.io/initial-events-end");
        if answers && state.borrow().holds_lists && ends_list() {
            state.borrow().held.fetch_add(1, Ordering::Relaxed);
            let Ok(_) = state.wait_for(|state| !state.holds_lists).await else { return };
        }
        if (answers && mode == Mode::Losing) || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
