//! What Ctrl-C and a request to terminate do.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

/// The exit code of a shell command that an interrupt ended.
pub const EXIT_CODE: u8 = 130;

/// What the thread that waits for signals and the work share.
#[derive(Default)]
pub struct Interrupt {
    /// Whether a network is in training, which Ctrl-C ends without stopping the work.
    training: AtomicBool,
    ends_training: AtomicBool,
    stops: AtomicBool,
    working: AtomicBool,
    draft: Mutex<Option<PathBuf>>,
}

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP, the last unless it is ignored, as by nohup. SIGINT in training ends the
    /// training. Otherwise the first lets work that looks at [`Self::is_requested`] unwind; the second, or the first
    /// while there is no such work, removes the unfinished output and exits at once.
    ///
    /// SIGXFSZ, at a limit on the size of files, is dropped: what is written then fails with a message.
    pub fn install() -> Result<Arc<Self>> {
        let interrupt = Arc::new(Self::default());
        let mut caught = vec![SIGINT, SIGTERM, SIGXFSZ];
        if !is_ignored(SIGHUP) {
            caught.push(SIGHUP);
        }
        let mut signals = Signals::new(caught).context("cannot catch interrupts")?;
        let handler = Arc::clone(&interrupt);
        let wait = move || signals.forever().for_each(|signal| handler.handle(signal));
        std::thread::Builder::new().name("signals".to_owned()).spawn(wait).context("cannot wait for interrupts")?;
        Ok(interrupt)
    }

    /// Whether somebody asked to stop.
    pub fn is_requested(&self) -> bool {
        self.stops.load(Ordering::SeqCst)
    }

    /// Whether somebody asked to end training.
    pub fn ends_training(&self) -> bool {
        self.ends_training.load(Ordering::SeqCst)
    }

    /// Says whether a network is in training, the one that an earlier request to end was for being over.
    pub fn set_training(&self, training: bool) {
        self.ends_training.store(false, Ordering::SeqCst);
        self.training.store(training, Ordering::SeqCst);
    }

    /// Does `work`, which looks at [`Self::is_requested`] often.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.working.store(true, Ordering::SeqCst);
        let result = work();
        self.working.store(false, Ordering::SeqCst);
        result
    }

    /// Names the unfinished output that an exit must remove.
    pub fn set_draft(&self, path: Option<&Path>) {
        *self.draft() = path.map(Path::to_owned);
    }

    fn handle(&self, signal: i32) {
        if signal == SIGXFSZ {
            return;
        }
        let in_training = signal == SIGINT && self.training.load(Ordering::SeqCst);
        if in_training && !self.ends_training.swap(true, Ordering::SeqCst) {
            return;
        }
        if self.stops.swap(true, Ordering::SeqCst) || !self.working.load(Ordering::SeqCst) {
            if let Some(path) = self.draft().take() {
                std::fs::remove_file(path).ok();
            }
            std::process::exit(EXIT_CODE.into());
        }
    }

    fn draft(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether whoever started this process wants `signal` ignored, where the system says so.
fn is_ignored(signal: i32) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
