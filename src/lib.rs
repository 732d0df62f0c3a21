//! nncz compresses large structured files with an overfit byte transformer mixed with adaptive contexts.

pub mod coder;
pub mod container;
mod error;
pub mod layout;
pub mod limits;
pub mod net;
pub mod predict;
mod progress;
#[cfg(feature = "train")]
pub mod train;

pub use error::{Error, ErrorKind, Result};
pub use progress::{Phase, Progress, Silent};
