//! What a caller chooses.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::machine;

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

/// What Reed–Solomon parity an archive carries, so that damage can be mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parity {
    /// None.
    None,
    /// For what every block needs, header, weights and index, as far as it is small beside the archive.
    #[default]
    Vital,
    /// For the whole archive, of this many hundredths of it, 1…100.
    Whole(u8),
}

impl Parity {
    /// The number that stands for it in an archive.
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Whole(percent) => percent,
            Self::Vital => 101,
        }
    }

    /// What a number in an archive stands for, if for anything.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1..=100 => Some(Self::Whole(code)),
            101 => Some(Self::Vital),
            _ => None,
        }
    }
}

/// What the work may take of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Threads to work with.
    pub threads: NonZeroUsize,
    /// Bytes of memory for the network and the adaptive state of all blocks in work. Fewer threads are used where they
    /// would take more; what one thread cannot do with it is refused.
    pub memory: u64,
}

impl Default for Resources {
    /// A thread per core, and half of the machine's memory or of what its control group allows.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { threads, memory: machine::memory() / 2 }
    }
}

impl Resources {
    /// An error of kind [`ErrorKind::Limit`] if `need` bytes of memory are more than is allowed.
    pub fn check_memory(&self, need: u64) -> Result<()> {
        if need <= self.memory {
            return Ok(());
        }
        let (need, limit) = (need.div_ceil(1 << 20), self.memory >> 20);
        let message =
            format!("it needs {need} MiB of memory, and the limit is {limit} MiB; --memory-limit {need}MiB allows it");
        Err(Error::new(ErrorKind::Limit, message))
    }
}

/// What the names of unfinished files begin and end with. Whoever writes one holds the lock on it; without that it is
/// what a killed process left.
pub const UNFINISHED: [&str; 2] = [".nncz-", ".part"];

/// How to compress.
#[derive(Clone, Debug)]
pub struct Options {
    /// 1 (fastest) to 9 (smallest); see [`crate::plan`].
    pub level: u8,
    /// Threads and memory. More threads change no byte of how blocks are coded, but training splits its sums by
    /// thread, so that the weights, and with them the archive, depend on their number.
    pub resources: Resources,
    /// Whether to train a network.
    pub network: NetworkChoice,
    /// What damage can be mended.
    pub parity: Parity,
    /// Longest block, in bytes, instead of the usual one. Shorter ones cost ratio, and lose less to damage.
    pub block: Option<NonZeroU64>,
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
        Self {
            level: DEFAULT_LEVEL,
            resources: Resources::default(),
            network: NetworkChoice::Auto,
            parity: Parity::default(),
            block: None,
            time: None,
            seed: 0,
            device: Device::Auto,
            checkpoint: None,
        }
    }
}
