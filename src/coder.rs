#![doc = include_str!("coder.md")]

use std::borrow::Borrow;
use std::convert::Infallible;
use std::num::NonZeroU16;
use std::sync::LazyLock;
use std::sync::mpsc::Receiver;
use std::vec::IntoIter;

use constriction::Queue;
use constriction::backends::ReadWords;
use constriction::stream::model::{DecoderModel, EncoderModel, EntropyModel};
use constriction::stream::queue::{DefaultRangeDecoder, DefaultRangeEncoder};
use constriction::stream::{Decode, Encode};

/// Codes bits with given probabilities, in the direction that the implementation is for.
pub trait BitCoder {
    /// Codes a bit that is one with probability `one`/65536. An encoder writes `bit` and returns it, a decoder
    /// ignores `bit` and returns what it read.
    fn code(&mut self, bit: bool, one: NonZeroU16) -> bool;

    /// About the bytes written so far; 0 for a decoder.
    fn written(&self) -> u64;
}

/// Writes bits into a stream.
#[derive(Default)]
pub struct Encoder(DefaultRangeEncoder);

impl Encoder {
    /// An empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes from `start`, a multiple of four, on that no later bit changes.
    pub fn settled(&self, start: usize) -> Vec<u8> {
        bytes(&self.0.bulk()[start / 4..])
    }

    /// Ends the stream: 32-bit words, little-endian, the last one without the zero bytes at its end.
    pub fn finish(self) -> Vec<u8> {
        let Ok(words) = self.0.into_compressed();
        let mut bytes = bytes(&words);
        for _ in 0..3 {
            bytes.pop_if(|last| *last == 0);
        }
        bytes
    }
}

impl BitCoder for Encoder {
    #[inline]
    fn code(&mut self, bit: bool, one: NonZeroU16) -> bool {
        let written = self.0.encode_symbol(bit, Bit { one });
        debug_assert!(written.is_ok(), "both bits have a probability and memory does not refuse a word");
        bit
    }

    fn written(&self) -> u64 {
        4 * self.0.num_words() as u64
    }
}

/// Reads bits from a stream. Past its end, and in a stream that was damaged, the bits are arbitrary.
pub struct Decoder(DefaultRangeDecoder<Words>);

impl Decoder {
    /// Reads from what [`Encoder::finish`] returned.
    pub fn new(bytes: &[u8]) -> Self {
        Self::of(Words { ready: words(bytes), growth: None })
    }

    /// Reads the same while it grows: it comes in chunks, all but the last of a multiple of four bytes. Waits, here too,
    /// until there is enough of it, or the sender hangs up.
    pub fn following(chunks: Receiver<Vec<u8>>) -> Self {
        let growth = Growth { chunks, length: 0, hasher: crc32fast::Hasher::new() };
        Self::of(Words { ready: words(&[]), growth: Some(growth) })
    }

    fn of(words: Words) -> Self {
        let Ok(decoder) = DefaultRangeDecoder::with_backend(words);
        Self(decoder)
    }

    /// What the stream that was followed was, to its end, for which this waits.
    pub fn followed(self) -> Followed {
        let (words, ..) = self.0.into_raw_parts();
        let Some(mut growth) = words.growth else { return Followed::default() };
        while growth.next().is_some() {}
        Followed { length: growth.length, crc: growth.hasher.finalize() }
    }
}

/// What a stream was that a decoder followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Its length in bytes.
    pub length: u64,
    /// Its CRC-32.
    pub crc: u32,
}

/// The words of a stream.
struct Words {
    /// Those that are there and not read yet.
    ready: IntoIter<u32>,
    /// Where more come from.
    growth: Option<Growth>,
}

/// A stream that grows, and what has come of it.
struct Growth {
    chunks: Receiver<Vec<u8>>,
    length: u64,
    hasher: crc32fast::Hasher,
}

impl ReadWords<u32, Queue> for Words {
    type ReadError = Infallible;

    #[inline]
    fn read(&mut self) -> Result<Option<u32>, Infallible> {
        Ok(self.ready.next().or_else(|| self.wait()))
    }
}

impl Words {
    #[cold]
    fn wait(&mut self) -> Option<u32> {
        let growth = self.growth.as_mut()?;
        while self.ready.as_slice().is_empty() {
            self.ready = words(&growth.next()?);
        }
        self.ready.next()
    }
}

impl Growth {
    /// The next chunk, for which this waits; none if the sender has hung up.
    fn next(&mut self) -> Option<Vec<u8>> {
        let chunk = self.chunks.recv().ok()?;
        self.length += chunk.len() as u64;
        self.hasher.update(&chunk);
        Some(chunk)
    }
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The words of `bytes`, whose last one may lack zeros at its end.
fn words(bytes: &[u8]) -> IntoIter<u32> {
    let word = |chunk: &[u8]| u32::from_le_bytes(std::array::from_fn(|i| chunk.get(i).copied().unwrap_or(0)));
    bytes.chunks(4).map(word).collect::<Vec<_>>().into_iter()
}

impl BitCoder for Decoder {
    #[inline]
    fn code(&mut self, _: bool, one: NonZeroU16) -> bool {
        self.0.decode_symbol(Bit { one }).unwrap_or(false)
    }

    fn written(&self) -> u64 {
        0
    }
}

/// What it costs to code an answer whose yes has the probability `yes`/65536, in 1/2^24 bit, rounded down.
pub fn cost(yes: u16, answer: bool) -> u32 {
    static COSTS: LazyLock<Vec<u32>> = LazyLock::new(|| (0..=1 << 16).map(information).collect());
    let probability = if answer { u32::from(yes) } else { (1 << 16) - u32::from(yes) };
    COSTS[probability as usize]
}

/// −log₂(`probability`/65536) in 1/2^24, by repeated squaring; that of 0 counts as that of 1.
fn information(probability: u32) -> u32 {
    let probability = u64::from(probability.max(1));
    let mut logarithm = u64::from(probability.ilog2());
    // The mantissa, from 1 up to 2, in 1/2^31.
    let mut mantissa = probability << (31 - logarithm);
    for _ in 0..24 {
        mantissa = (mantissa * mantissa) >> 31;
        let carry = mantissa >> 32;
        mantissa >>= carry;
        logarithm = (logarithm << 1) | carry;
    }
    ((16 << 24) - logarithm) as u32
}

/// The two-symbol model of one bit, in 16-bit probabilities: a zero comes first.
#[derive(Clone, Copy)]
struct Bit {
    one: NonZeroU16,
}

impl EntropyModel<16> for Bit {
    type Symbol = bool;
    type Probability = u16;
}

impl Bit {
    #[inline]
    fn zero(self) -> NonZeroU16 {
        // 65536 − one, which is never 0 since `one` is not.
        NonZeroU16::MIN.saturating_add(u16::MAX - self.one.get())
    }
}

impl EncoderModel<16> for Bit {
    #[inline]
    fn left_cumulative_and_probability(&self, symbol: impl Borrow<bool>) -> Option<(u16, NonZeroU16)> {
        Some(if *symbol.borrow() { (self.zero().get(), self.one) } else { (0, self.zero()) })
    }
}

impl DecoderModel<16> for Bit {
    #[inline]
    fn quantile_function(&self, quantile: u16) -> (bool, u16, NonZeroU16) {
        let zero = self.zero();
        if quantile < zero.get() { (false, 0, zero) } else { (true, zero.get(), self.one) }
    }
}

/// The probability of a bit that adapts to the bits seen.
///
/// After `n` bits it moves by `1/(n + 2)` of its error, but never by less than 1/256.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveBit {
    one: u16,
    seen: u16,
}

impl Default for AdaptiveBit {
    fn default() -> Self {
        Self { one: 1 << 15, seen: 0 }
    }
}

impl AdaptiveBit {
    /// Codes a bit and learns from it.
    pub fn code(&mut self, coder: &mut impl BitCoder, bit: bool) -> bool {
        let bit = coder.code(bit, NonZeroU16::new(self.one).unwrap_or(NonZeroU16::MIN));
        let target = if bit { 65535 } else { 1 };
        let step = (target - i32::from(self.one)) / (i32::from(self.seen) + 2);
        self.one = (i32::from(self.one) + step) as u16;
        self.seen = (self.seen + 1).min(254);
        bit
    }
}

/// An adaptive code for numbers below `2³¹`: the length of `n + 1` in binary in unary, then its bits below the top one,
/// each bit with a probability of its own for the length and, of the upper eight, the bits before it.
#[derive(Clone)]
pub struct AdaptiveNumber {
    lengths: [AdaptiveBit; 32],
    upper: Vec<[AdaptiveBit; 256]>,
    lower: Vec<[AdaptiveBit; 32]>,
}

impl Default for AdaptiveNumber {
    fn default() -> Self {
        Self {
            lengths: Default::default(),
            upper: vec![[AdaptiveBit::default(); 256]; 32],
            lower: vec![[AdaptiveBit::default(); 32]; 32],
        }
    }
}

impl AdaptiveNumber {
    /// Codes a number; an encoder returns it, a decoder what it read.
    pub fn code(&mut self, coder: &mut impl BitCoder, number: u32) -> u32 {
        let number = number.wrapping_add(1);
        let mut length = 0;
        while length < 31 && self.lengths[length].code(coder, number >> (length + 1) != 0) {
            length += 1;
        }
        let mut value = 1u32;
        for place in (0..length).rev() {
            let bit = number >> place & 1 != 0;
            let model = match length - place <= 8 {
                true => &mut self.upper[length][value as usize & 255],
                false => &mut self.lower[length][place],
            };
            value = value << 1 | u32::from(model.code(coder, bit));
        }
        value.wrapping_sub(1)
    }

    /// Codes a signed number, folded so that small ones of either sign stay small: 0, −1, 1, −2, …
    pub fn code_signed(&mut self, coder: &mut impl BitCoder, number: i32) -> i32 {
        let folded = self.code(coder, (number << 1 ^ number >> 31) as u32);
        (folded >> 1) as i32 ^ -((folded & 1) as i32)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_come_back(bits in prop::collection::vec((any::<bool>(), 1u16..), 0..2000)) {
            let mut encoder = Encoder::new();
            for &(bit, one) in &bits {
                encoder.code(bit, NonZeroU16::new(one).unwrap());
            }
            let stream = encoder.finish();
            let mut decoder = Decoder::new(&stream);
            for &(bit, one) in &bits {
                prop_assert_eq!(decoder.code(false, NonZeroU16::new(one).unwrap()), bit);
            }
        }

        #[test]
        fn a_stream_is_followed_however_it_is_cut(
            bits in prop::collection::vec((any::<bool>(), 1u16..), 0..2000),
            cuts in prop::collection::vec(0usize..2000, 0..8),
        ) {
            follow(&bits, &cuts);
        }

        #[test]
        fn numbers_come_back(numbers in prop::collection::vec(-(1i32 << 30)..1 << 30, 0..200)) {
            let mut encoder = Encoder::new();
            let mut model = AdaptiveNumber::default();
            for &number in &numbers {
                model.code_signed(&mut encoder, number);
            }
            let stream = encoder.finish();
            let mut decoder = Decoder::new(&stream);
            let mut model = AdaptiveNumber::default();
            for &number in &numbers {
                prop_assert_eq!(model.code_signed(&mut decoder, 0), number);
            }
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut decoder = Decoder::new(&bytes);
            let mut model = AdaptiveNumber::default();
            for _ in 0..200 {
                model.code_signed(&mut decoder, 0);
            }
        }
    }

    /// Codes bits with their probabilities, hands the stream over before some of them and decodes it. Returns its length.
    fn follow(bits: &[(bool, u16)], cuts: &[usize]) -> usize {
        let (sender, receiver) = channel();
        let (mut encoder, mut sent) = (Encoder::new(), 0);
        for (number, &(bit, one)) in bits.iter().enumerate() {
            for _ in cuts.iter().filter(|&&cut| cut == number) {
                let chunk = encoder.settled(sent);
                sent += chunk.len();
                sender.send(chunk).unwrap();
            }
            encoder.code(bit, NonZeroU16::new(one).unwrap());
        }
        let stream = encoder.finish();
        sender.send(stream[sent..].to_vec()).unwrap();
        drop(sender);
        let mut decoder = Decoder::following(receiver);
        for &(bit, one) in bits {
            assert_eq!(decoder.code(false, NonZeroU16::new(one).unwrap()), bit);
        }
        let expected = Followed { length: stream.len() as u64, crc: crc32fast::hash(&stream) };
        assert_eq!(decoder.followed(), expected);
        stream.len()
    }

    #[test]
    fn streams_are_followed_that_have_lost_zeros_at_their_end() {
        let mut ends = [0; 4];
        for stream in 0..5000u64 {
            let bit = |number: u64| {
                let random = (64 * stream + number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                (random & 1 != 0, (random >> 1) as u16 | 1)
            };
            let bits: Vec<(bool, u16)> = (0..stream % 64).map(bit).collect();
            ends[follow(&bits, &[bits.len() / 3, bits.len() / 2]) % 4] += 1;
        }
        // One zero is lost by each 256th stream, three by those that end with a word of zeros.
        assert!([0, 1, 3].iter().all(|&end| ends[end] > 0), "{ends:?}");
    }

    #[test]
    fn costs_are_those_of_information_theory() {
        for (yes, bits) in [(32768, 1), (16384, 2), (1, 16)] {
            assert_eq!(cost(yes, true), bits << 24);
        }
        // log₂ 3 and log₂ 5.
        for (factor, logarithm) in [(3, 26_591_258), (5, 38_955_489)] {
            for yes in 1..=u16::MAX / factor {
                let saved = cost(yes, true) - cost(factor * yes, true);
                assert!(saved.abs_diff(logarithm) <= 2, "{yes}: {saved}");
            }
        }
        assert!((1..=u16::MAX).all(|yes| cost(yes, false) == information(65536 - u32::from(yes))));
    }

    #[test]
    fn a_million_near_certain_bits_take_a_few_bytes() {
        let mut encoder = Encoder::new();
        for _ in 0..8 << 20 {
            encoder.code(false, NonZeroU16::MIN);
        }
        assert!(encoder.finish().len() < 30);
    }
}
