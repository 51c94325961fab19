//! What this process logs.

use std::{
    io,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    fmt::{MakeWriter, format::FmtSpan},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::STANDING;
use crate::plan;

/// A line that every test logs, so that a log that nobody looks at is noticed.
const CONTROL: &str = "the canary listens";
/// How much of a line is shown.
const SHOWN: usize = 2000;

/// What was seen.
struct Seen {
    control: bool,
    /// What was in which line, the first time.
    leak: Option<String>,
    /// All of it, if somebody wants it.
    text: Option<Vec<u8>>,
}

static SEEN: Mutex<Seen> = Mutex::new(Seen { control: false, leak: None, text: None });

fn seen() -> MutexGuard<'static, Seen> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is looked at in every test: all but the details of connections, which are as many as all else together.
const LEVELS: &str = "debug,h2=info,hyper=info,hyper_util=info,tower=info";

/// Looks at what is logged from now on, once for this process.
pub(super) fn begin() {
    listen(LEVELS);
    tracing::info!(CONTROL);
}

/// Keeps what this process logs from now on at `levels` (`trace`), if no test in it has begun. It is searched at the end.
pub fn record(levels: &str) {
    seen().text.get_or_insert_default();
    listen(levels);
}

/// What was logged since [`record`].
#[must_use]
pub fn recorded() -> Vec<u8> {
    seen().text.clone().unwrap_or_default()
}

fn listen(levels: &str) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let log = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Lines);
        let log = log.with_span_events(FmtSpan::NEW).with_filter(EnvFilter::new(levels));
        // A test with a log of its own has none of ours, which the control tells.
        let _ = Registry::default().with(log).with(plan::listener()).try_init();
    });
}

/// Stops the test if a secret was logged, or if nobody looked.
pub(super) fn assert_clean() {
    let mut seen = seen();
    for line in seen.text.clone().unwrap_or_default().split(|byte| *byte == b'\n') {
        seen.look(line);
    }
    assert!(seen.control, "somebody else has this process's log, so nobody looked at it");
    if let Some(leak) = &seen.leak {
        panic!("the log shows {leak}");
    }
}

impl Seen {
    fn look(&mut self, line: &[u8]) {
        if let Some(found) = STANDING.in_bytes(line).into_iter().next() {
            let shown = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
            self.leak.get_or_insert_with(|| format!("{found}: {shown}"));
        }
        let is_control = |part: &[u8]| part == CONTROL.as_bytes();
        self.control = self.control || line.windows(CONTROL.len()).any(is_control);
    }
}

/// Takes one line at a time.
struct Lines;

impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut seen = seen();
        match &mut seen.text {
            Some(text) => text.extend_from_slice(line),
            None => seen.look(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}
