//! From an archive back to the original: all of it, a part, or what is left of it.

mod decoder;
#[cfg(feature = "reports")]
mod explain;
mod part;
mod salvage;
mod verify;

use std::io::Write;
use std::num::NonZeroUsize;

use self::decoder::{Follow, Need};
use crate::container::Archive;
use crate::error::Result;
use crate::net;
use crate::options::Resources;
use crate::progress::Progress;

#[cfg(feature = "reports")]
pub use explain::{COST_BITS, Explained, explain};
pub use part::{Part, extract};
pub use salvage::{Fill, Lost, Salvage, salvage};
pub use verify::{Proof, verify};

/// Decodes `archive` into `sink`.
///
/// Every block is checked before its bytes are written, so that what reaches the sink is right as far as it goes.
/// Damage that does not touch a block is only warned of. What parity can mend is for [`crate::container::mend`] first.
///
/// # Errors
/// [`Damaged`](crate::ErrorKind::Damaged), [`Version`](crate::ErrorKind::Version) or [`Limit`](crate::ErrorKind::Limit) for
/// an archive that cannot be restored; [`Io`](crate::ErrorKind::Io) from the sink; [`Cancelled`](crate::ErrorKind::Cancelled).
pub fn decompress(archive: &[u8], resources: &Resources, sink: &mut dyn Write, progress: &dyn Progress) -> Result<()> {
    extract(archive, &Part::All, resources, sink, progress)
}

/// Bytes of memory that it takes to decode `archive` on a number of threads.
///
/// # Errors
/// [`Damaged`](crate::ErrorKind::Damaged) or [`Limit`](crate::ErrorKind::Limit) for a network that cannot be read.
pub fn memory(archive: &Archive<'_>, threads: NonZeroUsize) -> Result<u64> {
    let weights = archive.model()?.map(net::decode).transpose()?;
    Ok(Need::of(archive, weights.as_ref().map(|weights| &weights.shape), Follow::default()).total(threads))
}
