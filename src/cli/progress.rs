//! Where the work stands, on standard error: a bar on a terminal, else a line from time to time.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nncz::{Phase, Progress};

use super::args::Talk;
use super::interrupt::Interrupt;
use super::report::{bits_per_byte, grouped};

/// Time between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(15);

/// Characters of a name beside a bar.
const LONGEST_NAME: usize = 24;

/// Follows the work on one file.
pub struct Follower {
    name: String,
    talk: Talk,
    show: Show,
    interrupt: Arc<Interrupt>,
    state: Mutex<State>,
}

#[derive(Clone, Copy, PartialEq)]
enum Show {
    Nothing,
    Bar,
    Lines,
}

struct State {
    bar: ProgressBar,
    phase: Phase,
    total: u64,
    done: u64,
    coded: u64,
    training: String,
    archive: Option<u64>,
    last_line: Instant,
    is_ending: bool,
}

impl Follower {
    /// For the file called `name`, with nothing to show yet.
    pub fn new(name: &str, talk: Talk, interrupt: &Arc<Interrupt>) -> Self {
        let show = match std::io::stderr().is_terminal() {
            _ if talk.quiet || talk.no_progress => Show::Nothing,
            true => Show::Bar,
            false => Show::Lines,
        };
        let state = State {
            bar: ProgressBar::hidden(),
            phase: Phase::Choosing,
            total: 0,
            done: 0,
            coded: 0,
            training: String::new(),
            archive: None,
            last_line: Instant::now(),
            is_ending: false,
        };
        Self { name: name.to_owned(), talk, show, interrupt: Arc::clone(interrupt), state: Mutex::new(state) }
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        self.state().bar.finish_and_clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, state: &State, text: &str) {
        state.bar.suspend(|| eprintln!("nncz: {}: {text}", self.name));
    }

    fn update(&self, mut state: MutexGuard<'_, State>) {
        match self.show {
            Show::Nothing => {}
            Show::Bar => state.bar.set_message(state.message()),
            Show::Lines if state.last_line.elapsed() < LINE_INTERVAL => {}
            Show::Lines => {
                state.last_line = Instant::now();
                let percent = 100 * state.done / state.total.max(1);
                self.say(&state, &format!("{} {percent} %{}", verb(state.phase), state.message()));
            }
        }
    }
}

impl State {
    /// How well it goes, with a comma before each part.
    fn message(&self) -> String {
        let archive = match self.phase {
            Phase::Training => self.archive,
            Phase::Encoding if self.done > 0 => {
                Some((u128::from(self.coded) * u128::from(self.total) / u128::from(self.done)) as u64)
            }
            _ => None,
        };
        let bits = match self.phase {
            Phase::Training => self.training.clone(),
            Phase::Encoding if self.done > 0 => format!(", {} bits/byte", bits_per_byte(self.done, self.coded)),
            _ => String::new(),
        };
        let archive = archive.map_or(String::new(), |bytes| format!(", ≈ {} bytes", grouped(bytes)));
        bits + &archive
    }
}

impl Progress for Follower {
    fn begin(&self, phase: Phase, total: u64) {
        let mut state = self.state();
        state.bar.finish_and_clear();
        self.interrupt.set_training(phase == Phase::Training);
        (state.phase, state.total, state.done, state.coded) = (phase, total, 0, 0);
        if self.show == Show::Bar {
            if phase == Phase::Training {
                self.say(&state, "training; Ctrl-C ends it and goes on with what was learned");
            }
            let rest = match phase {
                Phase::Training => "{percent:>3}%, {eta} left{wide_msg}",
                _ => "{bytes}/{total_bytes}, {eta} left{wide_msg}",
            };
            let template = format!("{{prefix}}: {} [{{bar:8}}] {rest}", verb(phase));
            let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
            bar.set_style(style.progress_chars("=> "));
            bar.set_prefix(shortened(&self.name));
            bar.enable_steady_tick(Duration::from_millis(500));
            state.bar = bar;
        }
    }

    fn advance(&self, amount: u64) {
        let mut state = self.state();
        state.done += amount;
        state.bar.inc(amount);
        self.update(state);
    }

    fn coded(&self, bytes: u64) {
        self.state().coded += bytes;
    }

    fn training(&self, _: u64, millibits: u32) {
        let mut state = self.state();
        state.training = format!(", {}.{:03} bits/byte", millibits / 1000, millibits % 1000);
        self.update(state);
    }

    fn follows_archive(&self) -> bool {
        self.show != Show::Nothing
    }

    fn archive_so_far(&self, bytes: u64) {
        let mut state = self.state();
        state.archive = Some(bytes);
        self.update(state);
    }

    fn note(&self, text: &str) {
        if self.talk.verbose {
            self.say(&self.state(), text);
        }
    }

    fn warning(&self, text: &str) {
        if !self.talk.quiet {
            self.say(&self.state(), text);
        }
    }

    fn ends_training(&self) -> bool {
        let ends = self.interrupt.ends_training();
        let mut state = self.state();
        if ends && !std::mem::replace(&mut state.is_ending, true) && !self.talk.quiet {
            self.say(&state, "training ends; the archive gets what was learned (Ctrl-C again aborts)");
        }
        ends
    }

    fn is_cancelled(&self) -> bool {
        self.interrupt.is_requested()
    }
}

/// The end of a long name, so that the line fits.
fn shortened(name: &str) -> String {
    match name.chars().count() {
        0..=LONGEST_NAME => name.to_owned(),
        length => format!("…{}", name.chars().skip(length - LONGEST_NAME).collect::<String>()),
    }
}

fn verb(phase: Phase) -> &'static str {
    match phase {
        Phase::Training => "training",
        Phase::Choosing => "choosing",
        Phase::Encoding => "encoding",
        Phase::Verifying => "verifying",
        Phase::Decoding => "decoding",
    }
}
