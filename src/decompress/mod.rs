//! From an archive back to the original: all of it, a part, or what is left of it.

mod decoder;
#[cfg(feature = "reports")]
mod explain;
mod part;
mod salvage;

use std::io::Write;
use std::num::NonZeroUsize;

use self::decoder::{Decoder, Follow, Need};
use crate::container::Archive;
use crate::error::{Error, ErrorKind, Result};
use crate::net;
use crate::options::Resources;
use crate::progress::{Phase, Progress};

#[cfg(feature = "reports")]
pub use explain::{COST_BITS, Explained, explain};
pub use part::{Part, extract};
pub use salvage::{Fill, Lost, Salvage, salvage};

/// Decodes `archive` into `sink`.
///
/// Every block is checked before its bytes are written, so that what reaches the sink is right as far as it goes.
/// Damage that does not touch a block is only warned of. What parity can mend is for [`crate::container::mend`] first.
///
/// # Errors
/// [`ErrorKind::Damaged`], [`ErrorKind::Version`] or [`ErrorKind::Limit`] for an archive that cannot be restored;
/// [`ErrorKind::Io`] from the sink; [`ErrorKind::Cancelled`].
pub fn decompress(archive: &[u8], resources: &Resources, sink: &mut dyn Write, progress: &dyn Progress) -> Result<()> {
    extract(archive, &Part::All, resources, sink, progress)
}

/// Decodes `archive` and compares every byte with `source`.
///
/// # Errors
/// [`ErrorKind::Mismatch`] where they differ or the archive is not sound, else as [`decompress`].
pub fn verify(archive: &[u8], source: &[u8], resources: &Resources, progress: &dyn Progress) -> Result<()> {
    let archive = Archive::open(archive)?;
    progress.begin(Phase::Verifying, archive.header().original);
    if archive.header().original != source.len() as u64 {
        return Err(Error::new(ErrorKind::Mismatch, "the archive does not hold as many bytes as the source has"));
    }
    let decoder = Decoder::new(&archive, resources, progress)?;
    let numbers: Vec<u32> = (0..archive.header().blocks).collect();
    decoder.each(&numbers, progress, |number, bytes| {
        let (bytes, start) = (bytes?, archive.header().range(number).start);
        match bytes.iter().zip(&source[start as usize..]).position(|(restored, original)| restored != original) {
            None => Ok(()),
            Some(at) => {
                let message = format!("byte {} of the source is not what the archive restores", start + at as u64);
                Err(Error::new(ErrorKind::Mismatch, message))
            }
        }
    })?;
    match archive.is_sound() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Mismatch, "the archive's checksums do not match what was written")),
    }
}

/// Bytes of memory that it takes to decode `archive` on a number of threads.
///
/// # Errors
/// [`ErrorKind::Damaged`] or [`ErrorKind::Limit`] for a network that cannot be read.
pub fn memory(archive: &Archive<'_>, threads: NonZeroUsize) -> Result<u64> {
    let weights = archive.model()?.map(net::decode).transpose()?;
    Ok(Need::of(archive, weights.as_ref().map(|weights| &weights.shape), Follow::default()).total(threads))
}
