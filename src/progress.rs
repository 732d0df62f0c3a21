//! How long work tells its caller where it stands, and learns that it should stop.

use crate::error::{Error, ErrorKind, Result};

/// A stage of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The network learns the file.
    Training,
    /// A sample is coded: to see how far the file compresses, and whether a trained network pays.
    Choosing,
    /// The blocks are coded, and at the same time decoded and compared if a thread is free for that.
    Encoding,
    /// The finished archive is decoded and compared, but for blocks that were while they were coded.
    Verifying,
    /// An archive is decoded.
    Decoding,
}

/// What a caller may follow, and how it stops the work. Called from several threads; every call is cheap and may come
/// often. Every method has a default that does nothing, so that a caller writes only those that it wants.
pub trait Progress: Sync {
    /// A phase begins; `total` is in the unit of `advance` (bytes, or training's thousandths of its budget).
    fn begin(&self, _phase: Phase, _total: u64) {}
    /// `amount` more of the phase's total is done.
    fn advance(&self, _amount: u64) {}
    /// What advanced while bytes were coded takes `bytes` more bytes of archive.
    fn coded(&self, _bytes: u64) {}
    /// Training has seen `bytes` bytes so far and stands at `millibits` thousandths of a bit per byte.
    fn training(&self, _bytes: u64, _millibits: u32) {}
    /// Whether [`Self::archive_so_far`] is wanted, which takes a twenty-fifth of training's time.
    fn follows_archive(&self) -> bool {
        false
    }
    /// If training ended now, the archive would have about `bytes` bytes, weights included.
    fn archive_so_far(&self, _bytes: u64) {}
    /// Something a person may want to know: what was decided and why.
    fn note(&self, _text: &str) {}
    /// Something a person should know: a fall-back that was taken from what was asked for.
    fn warning(&self, text: &str) {
        self.note(text);
    }
    /// Whether training should end soon, and the work go on with what was learnt.
    fn ends_training(&self) -> bool {
        false
    }
    /// Whether the work should stop as soon as it can.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// An error of kind [`ErrorKind::Cancelled`] if the work should stop.
    ///
    /// # Errors
    /// That one.
    fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "interrupted"));
        }
        Ok(())
    }
}

/// Tells nothing of the work, which another tells of, but whether to stop.
#[cfg(feature = "train")]
pub struct Quiet<'a>(pub &'a dyn Progress);

#[cfg(feature = "train")]
impl Progress for Quiet<'_> {
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Follows nothing and never stops the work.
pub struct Silent;

impl Progress for Silent {}
