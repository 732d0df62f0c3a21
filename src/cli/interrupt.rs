//! What Ctrl-C and a request to terminate do.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};

/// The exit code of a shell command that an interrupt ended.
pub const EXIT_CODE: u8 = 130;

/// What the signal handler and the work share.
#[derive(Default)]
pub struct Interrupt {
    requested: AtomicBool,
    working: AtomicBool,
    draft: Mutex<Option<PathBuf>>,
}

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP. The first one lets work that looks at [`Self::is_requested`] unwind;
    /// the second, or the first while there is no such work, removes the unfinished output and exits at once.
    pub fn install() -> Result<Arc<Self>> {
        let interrupt = Arc::new(Self::default());
        let handler = Arc::clone(&interrupt);
        ctrlc::set_handler(move || {
            let is_second = handler.requested.swap(true, Ordering::SeqCst);
            if is_second || !handler.working.load(Ordering::SeqCst) {
                if let Some(path) = handler.draft().take() {
                    std::fs::remove_file(path).ok();
                }
                std::process::exit(EXIT_CODE.into());
            }
        })
        .context("cannot catch interrupts")?;
        Ok(interrupt)
    }

    /// Whether a person asked to stop.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
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

    fn draft(&self) -> std::sync::MutexGuard<'_, Option<PathBuf>> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
