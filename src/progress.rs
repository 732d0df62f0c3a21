//! How long work tells its caller where it stands, and learns that it should stop.

use crate::error::{Error, ErrorKind, Result};

/// A stage of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The network learns the file.
    Training,
    /// A sample is coded: to see how far the file compresses, and whether a trained network pays.
    Choosing,
    /// The blocks are coded.
    Encoding,
    /// The finished archive is decoded again and compared.
    Verifying,
    /// An archive is decoded.
    Decoding,
}

/// What a caller may follow. Called from several threads; every call is cheap and may come often.
pub trait Progress: Sync {
    /// A phase begins; `total` is in the unit of `advance` (bytes, or training's thousandths of its budget).
    fn begin(&self, phase: Phase, total: u64);
    /// `amount` more of the phase's total is done.
    fn advance(&self, amount: u64);
    /// Training has seen `bytes` bytes so far and stands at `millibits` thousandths of a bit per byte.
    fn training(&self, bytes: u64, millibits: u32);
    /// Something a person may want to know: what was decided and why.
    fn note(&self, text: &str);
    /// Something a person should know: a fall-back that was taken from what was asked for.
    fn warning(&self, text: &str) {
        self.note(text);
    }
    /// Whether the work should stop as soon as it can.
    fn is_cancelled(&self) -> bool;

    /// An error of kind [`ErrorKind::Cancelled`] if the work should stop.
    fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "interrupted"));
        }
        Ok(())
    }
}

/// Follows nothing and never stops the work.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: Phase, _: u64) {}
    fn advance(&self, _: u64) {}
    fn training(&self, _: u64, _: u32) {}
    fn note(&self, _: &str) {}
    fn is_cancelled(&self) -> bool {
        false
    }
}
