//! What a caller chooses.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// The level that is taken if none is asked for.
pub const DEFAULT_LEVEL: u8 = 6;

/// Where to train.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The GPU if one can be opened, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first NVIDIA GPU; falls back to the CPU with a note.
    Cuda,
}

/// Whether to train a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkChoice {
    /// As the level says, and keep it only if it pays for its weights.
    #[default]
    Auto,
    /// Contexts alone.
    None,
    /// One with a residual stream of this width, kept whether it pays or not. A multiple of 16.
    Width(u16),
}

/// How to compress.
#[derive(Clone, Debug)]
pub struct Options {
    /// 1 (fastest) to 9 (smallest); see [`crate::plan`].
    pub level: u8,
    /// Threads to work with. More threads change no byte of how blocks are coded, but training splits its sums by
    /// thread, so that the weights, and with them the archive, depend on their number.
    pub threads: NonZeroUsize,
    /// Whether to train a network.
    pub network: NetworkChoice,
    /// Time to train for instead of the level's number of bytes.
    pub time: Option<Duration>,
    /// Start of training's random numbers.
    pub seed: u64,
    /// Where to train.
    pub device: Device,
    /// Where training saves its state from time to time, and goes on from if it stopped. For the caller to remove.
    pub checkpoint: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            level: DEFAULT_LEVEL,
            threads,
            network: NetworkChoice::Auto,
            time: None,
            seed: 0,
            device: Device::Auto,
            checkpoint: None,
        }
    }
}
