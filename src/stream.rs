//! Compression and decompression over readers and writers.

use std::io::{Read, Write};

use crate::decompress::decompress;
use crate::error::Result;
use crate::options::Resources;
use crate::progress::Progress;
#[cfg(feature = "train")]
use crate::{Options, Summary, compress::compress, decompress::verify};

/// Compresses what `source` gives up to its end, and writes the archive to `sink` when it has been decoded and
/// compared.
///
/// Source and archive are held in memory. [`crate::compress`] takes bytes that are there already, such as a mapped
/// file, and writes the archive as it grows.
///
/// ```
/// use nncz::{Options, Silent, compress_stream, decompress_stream};
///
/// let rows = "2024-05-01,12.50,3\n2024-05-01,9.00,1\n".repeat(100);
/// let options = Options { level: 1, ..Options::default() };
/// let mut archive = Vec::new();
/// let summary = compress_stream(rows.as_bytes(), &mut archive, &options, &Silent)?;
/// assert!(summary.archive < summary.original / 10);
///
/// let mut restored = Vec::new();
/// decompress_stream(&archive[..], &mut restored, &options.resources, &Silent)?;
/// assert_eq!(restored, rows.as_bytes());
/// # Ok::<(), nncz::Error>(())
/// ```
///
/// # Errors
/// As [`crate::compress`] and [`crate::verify`], and those of `source`.
#[cfg(feature = "train")]
pub fn compress_stream(
    mut source: impl Read,
    mut sink: impl Write,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Summary> {
    let (mut original, mut archive) = (Vec::new(), Vec::new());
    source.read_to_end(&mut original)?;
    let summary = compress(&original, options, &mut archive, progress)?;
    verify(&archive, &original, &summary.proof, &options.resources, progress)?;
    sink.write_all(&archive)?;
    sink.flush()?;
    Ok(summary)
}

/// Decompresses the archive that `source` gives up to its end into `sink`.
///
/// The archive and the blocks in work are held in memory. Every block is checked before its bytes are written.
///
/// # Errors
/// As [`crate::decompress`], and those of `source`.
pub fn decompress_stream(
    mut source: impl Read,
    mut sink: impl Write,
    resources: &Resources,
    progress: &dyn Progress,
) -> Result<()> {
    let mut archive = Vec::new();
    source.read_to_end(&mut archive)?;
    decompress(&archive, resources, &mut sink, progress)?;
    Ok(sink.flush()?)
}
