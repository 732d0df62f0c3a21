//! A bar on standard error for each phase of the work.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nncz::{Phase, Progress};

use super::args::Talk;
use super::interrupt::Interrupt;

/// Shows the phases of the work on one file, on a terminal and unless it should be quiet.
pub struct Bar {
    name: String,
    talk: Talk,
    interrupt: Arc<Interrupt>,
    phase: Mutex<(ProgressBar, Instant)>,
}

impl Bar {
    /// A bar for the file called `name`, with nothing to show yet.
    pub fn new(name: &str, talk: Talk, interrupt: &Arc<Interrupt>) -> Self {
        let phase = Mutex::new((ProgressBar::hidden(), Instant::now()));
        Self { name: name.to_owned(), talk, interrupt: Arc::clone(interrupt), phase }
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        self.phase().0.finish_and_clear();
    }

    fn phase(&self) -> std::sync::MutexGuard<'_, (ProgressBar, Instant)> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Bar {
    fn begin(&self, phase: Phase, total: u64) {
        let mut shown = self.phase();
        shown.0.finish_and_clear();
        if self.talk.quiet || !std::io::stderr().is_terminal() {
            return;
        }
        let verb = match phase {
            Phase::Training => "training",
            Phase::Choosing => "choosing",
            Phase::Encoding => "encoding",
            Phase::Verifying => "verifying",
            Phase::Decoding => "decoding",
        };
        let rest = match phase {
            Phase::Training => "{percent:>3}% {msg}, {eta} left",
            _ => "{bytes}/{total_bytes}, {binary_bytes_per_sec}, {eta} left",
        };
        let template = format!("{{prefix}}: {verb:<9} [{{bar:24}}] {rest}");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
        bar.set_style(style.progress_chars("=> "));
        bar.set_prefix(self.name.clone());
        bar.enable_steady_tick(Duration::from_millis(500));
        *shown = (bar, Instant::now());
    }

    fn advance(&self, amount: u64) {
        self.phase().0.inc(amount);
    }

    fn training(&self, bytes: u64, millibits: u32) {
        let shown = self.phase();
        let speed = bytes / (shown.1.elapsed().as_secs()).max(1);
        shown.0.set_message(format!("{}.{:03} bits per byte, {speed} bytes/s", millibits / 1000, millibits % 1000));
    }

    fn note(&self, text: &str) {
        if self.talk.verbose {
            self.phase().0.suspend(|| eprintln!("nncz: {}: {text}", self.name));
        }
    }

    fn warning(&self, text: &str) {
        if !self.talk.quiet {
            self.phase().0.suspend(|| eprintln!("nncz: {}: {text}", self.name));
        }
    }

    fn is_cancelled(&self) -> bool {
        self.interrupt.is_requested()
    }
}
