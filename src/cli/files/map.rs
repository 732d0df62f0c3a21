//! Files mapped into memory, which may be cut short while they are read.
//!
//! Where a page of a map has no file behind it any more, or the disk cannot read it, the processor's fault reaches the
//! process as SIGBUS. The handler here puts a page of zeros in its place and makes a note of it, so that the work goes
//! on to where the note, or the comparison of what was read, ends it with a message.

use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use libc::{c_int, c_void, siginfo_t};
use memmap2::{MmapMut, MmapOptions};

/// The bytes of a file, mapped into memory. What is changed there does not reach the file.
pub struct Content {
    map: MmapMut,
    watch: &'static Watch,
}

impl Content {
    /// Maps the whole of `file`.
    pub fn map(file: &File) -> Result<Self> {
        static HANDLER: Once = Once::new();
        HANDLER.call_once(install_handler);
        // SAFETY: nothing but bytes is read through the map, pages that are written to become this process's own, and no invariant rests on what they are. A process that
        // changes the file meanwhile can change what is read, which `Source::check_unchanged` and the comparison of
        // the restored bytes notice; where one shortens it, the handler puts zeros.
        let map =
            unsafe { MmapOptions::new().no_reserve_swap().map_copy(file) }.context("cannot map it into memory")?;
        let start = map.as_ptr() as usize;
        let Some(watch) = WATCHES.iter().find(|watch| watch.take()) else { bail!("too many files are open at once") };
        watch.has_failed.store(false, Ordering::SeqCst);
        watch.end.store(start + map.len(), Ordering::SeqCst);
        watch.start.store(start, Ordering::SeqCst);
        Ok(Self { map, watch })
    }

    /// An error if some of the bytes could not be read since they were mapped.
    pub fn check_read(&self) -> Result<()> {
        let has_failed = self.watch.has_failed.load(Ordering::SeqCst);
        ensure!(!has_failed, "it could not be read to its end: it was cut short meanwhile, or the disk failed");
        Ok(())
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl DerefMut for Content {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.map
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.watch.start.store(0, Ordering::SeqCst);
        self.watch.end.store(0, Ordering::SeqCst);
        self.watch.is_taken.store(false, Ordering::SeqCst);
    }
}

/// The addresses of one map, for the handler.
struct Watch {
    is_taken: AtomicBool,
    start: AtomicUsize,
    end: AtomicUsize,
    has_failed: AtomicBool,
}

static WATCHES: [Watch; 8] = [const {
    Watch {
        is_taken: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        has_failed: AtomicBool::new(false),
    }
}; 8];
static PAGE: AtomicUsize = AtomicUsize::new(0);

impl Watch {
    fn take(&self) -> bool {
        !self.is_taken.swap(true, Ordering::SeqCst)
    }

    fn contains(&self, address: usize) -> bool {
        let (start, end) = (self.start.load(Ordering::SeqCst), self.end.load(Ordering::SeqCst));
        start != 0 && (start..end).contains(&address)
    }
}

fn install_handler() {
    PAGE.store(rustix::param::page_size(), Ordering::SeqCst);
    // SAFETY: all fields of `sigaction` may be zero; the handler has the type that SA_SIGINFO asks for and calls only
    // what a signal handler may call.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_bus_error as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
    }
}

/// Puts a page of zeros where a watched map could not be read; any other fault ends the process as it would have.
extern "C" fn on_bus_error(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands a valid `info`, whose address is that of the fault for this signal.
    let address = unsafe { (*info).si_addr() } as usize;
    let page = PAGE.load(Ordering::SeqCst);
    if let Some(watch) = WATCHES.iter().find(|watch| watch.contains(address)) {
        watch.has_failed.store(true, Ordering::SeqCst);
        let start = address & !(page - 1);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: the page lies in a map that a live `Content` owns, whose bytes nobody else sees; they are replaced by
        // zeros, which is what the file may hold as well.
        let mapped =
            unsafe { libc::mmap(start as *mut c_void, page, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if mapped != libc::MAP_FAILED {
            return;
        }
    }
    // SAFETY: resets the signal to its default, so that the fault, met again, ends the process.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_is_cut_short_reads_as_zeros_and_is_noticed() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 1 << 20]).unwrap();
        let content = Content::map(&file).unwrap();
        let other = Content::map(&file).unwrap();
        assert!(content.iter().all(|&byte| byte == 7));
        assert!(content.check_read().is_ok());
        file.set_len(5).unwrap();
        assert_eq!(content.iter().map(|&byte| usize::from(byte)).sum::<usize>(), 35);
        assert!(content.check_read().unwrap_err().to_string().contains("cut short"));
        assert!(other.check_read().is_ok());
        drop((content, other));
        assert!(Content::map(&file).unwrap().check_read().is_ok());
    }
}
