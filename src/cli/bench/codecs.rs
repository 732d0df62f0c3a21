//! The rivals in process: well-known formats through their crates, with the settings of their command-line tools.

use std::io::{self, Read, Write};

use brotli::enc::BrotliEncoderParams;
use liblzma::stream::{Check, Stream};
use serde::{Deserialize, Serialize};

use super::contender::parse_level;

/// A format that a crate of this program writes and reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Codec {
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Brotli,
    Lz4,
    Ppmd,
}

/// Memory of the PPMd model, that of 7-Zip's strongest level.
const PPMD_MEMORY: u32 = 192 << 20;
/// The window of zstd's long mode, 128 MiB: the largest that its command-line tool reads unasked.
const LONG_WINDOW: u32 = 27;
/// Added to a level of xz for its extreme variant, as in liblzma.
const EXTREME: u32 = 1 << 31;
const BUFFER: usize = 1 << 16;

impl Codec {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Gzip, Self::Bzip2, Self::Xz, Self::Zstd, Self::Brotli, Self::Lz4, Self::Ppmd];

    /// As `--vs` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Brotli => "brotli",
            Self::Lz4 => "lz4",
            Self::Ppmd => "ppmd",
        }
    }

    /// The crate that holds the code, as the lock file calls it.
    pub fn package(self) -> &'static str {
        match self {
            Self::Gzip => "libz-sys",
            Self::Bzip2 => "libbz2-rs-sys",
            Self::Xz => "liblzma-sys",
            Self::Zstd => "zstd-sys",
            Self::Brotli => "brotli",
            Self::Lz4 => "lz4-sys",
            Self::Ppmd => "ppmd-rust",
        }
    }

    /// The level that makes the smallest files, and whether long matches are looked for.
    pub fn strongest(self) -> (u32, bool) {
        match self {
            Self::Gzip | Self::Bzip2 => (9, false),
            Self::Xz => (9 | EXTREME, false),
            Self::Zstd => (22, true),
            Self::Brotli => (11, false),
            Self::Lz4 => (12, false),
            Self::Ppmd => (12, false),
        }
    }

    /// Level and long mode from what follows the colon: `6`, `9e` (xz), `19+long` (zstd), an order of 2 to 64 (ppmd).
    pub fn parse(self, settings: &str) -> Result<(u32, bool), String> {
        let range = match self {
            Self::Gzip | Self::Xz => 0..=9,
            Self::Bzip2 => 1..=9,
            Self::Zstd => 1..=22,
            Self::Brotli => 0..=11,
            Self::Lz4 => 1..=12,
            Self::Ppmd => ppmd_rust::PPMD7_MIN_ORDER..=ppmd_rust::PPMD7_MAX_ORDER,
        };
        let level = |text| parse_level(self.name(), text, &range);
        match (self, settings.strip_suffix('e'), settings.strip_suffix("+long")) {
            (Self::Xz, Some(text), _) => Ok((level(text)? | EXTREME, false)),
            (Self::Zstd, _, Some(text)) => Ok((level(text)?, true)),
            _ => Ok((level(settings)?, false)),
        }
    }

    /// The reverse of [`Self::parse`].
    pub fn settings(self, level: u32, long: bool) -> String {
        let (extreme, long) = (if level & EXTREME != 0 { "e" } else { "" }, if long { "+long" } else { "" });
        format!("{}{extreme}{long}", level & !EXTREME)
    }

    /// Compresses all of `source`, `length` bytes, into `sink`.
    pub fn compress(
        self,
        level: u32,
        long: bool,
        source: &mut impl Read,
        length: u64,
        sink: impl Write,
    ) -> io::Result<()> {
        match self {
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(sink, flate2::Compression::new(level));
                io::copy(source, &mut encoder)?;
                encoder.finish()?.flush()
            }
            Self::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(sink, bzip2::Compression::new(level));
                io::copy(source, &mut encoder)?;
                encoder.finish()?.flush()
            }
            Self::Xz => {
                let stream = Stream::new_easy_encoder(level, Check::Crc64)?;
                let mut encoder = liblzma::write::XzEncoder::new_stream(sink, stream);
                io::copy(source, &mut encoder)?;
                encoder.finish()?.flush()
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(sink, level as i32)?;
                encoder.set_pledged_src_size(Some(length))?;
                encoder.include_checksum(true)?;
                if long {
                    encoder.long_distance_matching(true)?;
                    encoder.window_log(LONG_WINDOW)?;
                }
                io::copy(source, &mut encoder)?;
                encoder.finish()?.flush()
            }
            Self::Brotli => {
                let quality = level as i32;
                let size_hint = length as usize;
                let parameters = BrotliEncoderParams { quality, lgwin: 24, size_hint, ..Default::default() };
                let mut encoder = brotli::CompressorWriter::with_params(sink, BUFFER, &parameters);
                io::copy(source, &mut encoder)?;
                encoder.flush()?;
                encoder.into_inner().flush()
            }
            Self::Lz4 => {
                let mut encoder = lz4::EncoderBuilder::new()
                    .level(level)
                    .block_size(lz4::BlockSize::Max4MB)
                    .block_mode(lz4::BlockMode::Independent)
                    .checksum(lz4::ContentChecksum::ChecksumEnabled)
                    .build(sink)?;
                io::copy(source, &mut encoder)?;
                let (mut sink, result) = encoder.finish();
                result?;
                sink.flush()
            }
            Self::Ppmd => {
                let mut encoder = ppmd_rust::Ppmd7Encoder::new(sink, level, PPMD_MEMORY).map_err(io::Error::other)?;
                io::copy(source, &mut encoder)?;
                encoder.finish(true)?.flush()
            }
        }
    }

    /// Restores into `sink` what [`Self::compress`] made at the same level.
    pub fn decompress(self, level: u32, source: impl Read, sink: &mut impl Write) -> io::Result<u64> {
        let source = io::BufReader::with_capacity(BUFFER, source);
        match self {
            Self::Gzip => io::copy(&mut flate2::bufread::MultiGzDecoder::new(source), sink),
            Self::Bzip2 => io::copy(&mut bzip2::bufread::MultiBzDecoder::new(source), sink),
            Self::Xz => io::copy(&mut liblzma::bufread::XzDecoder::new_multi_decoder(source), sink),
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(source)?;
                decoder.window_log_max(31)?;
                io::copy(&mut decoder, sink)
            }
            Self::Brotli => io::copy(&mut brotli::Decompressor::new(source, BUFFER), sink),
            Self::Lz4 => io::copy(&mut lz4::Decoder::new(source)?, sink),
            Self::Ppmd => {
                let decoder = ppmd_rust::Ppmd7Decoder::new(source, level, PPMD_MEMORY);
                io::copy(&mut decoder.map_err(io::Error::other)?, sink)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_makes_is_its_own_format_and_comes_back() {
        let text: Vec<u8> =
            (0..40_000u32).flat_map(|number| (number * number % 977).to_string().into_bytes()).collect();
        for codec in Codec::ALL {
            let weakest = if codec == Codec::Ppmd { 2 } else { 1 };
            for (level, long) in [(weakest, false), codec.strongest()] {
                let mut packed = Vec::new();
                codec.compress(level, long, &mut &text[..], text.len() as u64, &mut packed).unwrap();
                assert!(packed.len() < text.len() / 2, "{codec:?} {level}: {}", packed.len());
                let magic: &[u8] = match codec {
                    Codec::Gzip => &[0x1F, 0x8B],
                    Codec::Bzip2 => b"BZh",
                    Codec::Xz => &[0xFD, b'7', b'z'],
                    Codec::Zstd => &[0x28, 0xB5, 0x2F, 0xFD],
                    Codec::Lz4 => &[0x04, 0x22, 0x4D, 0x18],
                    Codec::Brotli | Codec::Ppmd => &[],
                };
                assert!(packed.starts_with(magic), "{codec:?}");
                let mut restored = Vec::new();
                codec.decompress(level, &packed[..], &mut restored).unwrap();
                assert!(restored == text, "{codec:?} {level}");
            }
        }
    }
}
