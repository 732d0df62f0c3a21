//! nncz compresses large structured files with an overfit byte transformer mixed with adaptive contexts.
//!
//! ```text
//! file ──► layout ──► train (floats) ──► quantise (8 bits) ──► weights
//!                                                                │
//!          for every block, for every bit:                       ▼
//! bytes so far ──► layout cursor ──┬─► network  (overfit, frozen) ──┐
//!                                  ├─► contexts (adaptive)          ├─► mixer ──► p(bit) ──► range coder
//!                                  └─► match    (longest repeat)  ──┘
//! ```
//!
//! The archive's format is written down in four chapters: [`container`],
//! [`predict`], [`net`] and [`coder`].

mod block;
pub mod coder;
#[cfg(feature = "train")]
mod compress;
pub mod container;
mod decompress;
mod error;
pub mod layout;
pub mod limits;
mod machine;
pub mod net;
mod options;
mod parallel;
pub mod plan;
pub mod predict;
mod progress;
mod stream;
#[cfg(feature = "train")]
pub mod train;

#[cfg(feature = "train")]
pub use compress::{Estimate, Summary, compress, estimate};
pub use container::{Mending, mend};
#[cfg(feature = "reports")]
pub use decompress::{COST_BITS, Explained, explain};
pub use decompress::{Fill, Lost, Part, Proof, Salvage, decompress, extract, memory, salvage, verify};
pub use error::{Error, ErrorKind, Result};
pub use options::{DEFAULT_LEVEL, Device, NetworkChoice, Options, Parity, Resources, UNFINISHED};
pub use progress::{Phase, Progress, Silent};
#[cfg(feature = "train")]
pub use stream::compress_stream;
pub use stream::decompress_stream;
