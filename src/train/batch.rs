//! What the network learns from: places of the file with the inputs of each position, and batches of them.

use std::ops::Range;

use super::advice::{Advice, Wanted};
use super::mixed::{Heard, Shares};
use super::random::Random;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::Layout;
use crate::net::{INPUTS, Input, Shape};
use crate::predict::Follower;

/// Most bytes that training draws from; of a longer file, pieces spread evenly over it.
const CORPUS_BYTES: usize = 96 << 20;
/// Length of one such piece.
const PIECE_BYTES: usize = 1 << 20;

/// The bytes to learn, those at which the network does not rest, with the inputs that it sees before each of them, as rows of the
/// embedding tables.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    /// The index of each byte in the alphabet.
    targets: Vec<u8>,
    fields: Vec<u16>,
    offsets: Vec<u16>,
    above: Vec<u16>,
    foretold: Vec<u16>,
    states: Vec<u8>,
    left: Vec<u16>,
    /// Stretches of what follows one another in the file.
    pieces: Vec<Range<usize>>,
    wanted: Wanted,
    /// What contexts say of each of them, once that is known.
    advice: Option<Advice>,
    none: u16,
}

impl Corpus {
    /// Follows `layout` over `bytes`, or over evenly spread pieces of a very long file.
    pub fn new(bytes: &[u8], layout: &Layout, shape: &Shape) -> Self {
        let none = shape.alphabet.len() as u16;
        assert!(none > 0, "there is nothing to learn");
        let mut index = [none; 256];
        for (i, &byte) in shape.alphabet.iter().enumerate() {
            index[usize::from(byte)] = i as u16;
        }
        let pieces = pieces(bytes);
        let len = pieces.iter().map(Range::len).sum();
        let rows = || Vec::with_capacity(len);
        let bytes_of = || Vec::with_capacity(len);
        let mut corpus = Self {
            targets: bytes_of(),
            fields: rows(),
            offsets: rows(),
            above: rows(),
            foretold: rows(),
            states: bytes_of(),
            left: rows(),
            pieces: Vec::new(),
            wanted: Wanted::none_of(bytes.len()),
            advice: None,
            none,
        };
        let byte_row = |byte: Option<u8>| byte.map_or(none, |byte| index[usize::from(byte)]);
        for range in pieces {
            let (start, first) = (corpus.targets.len(), range.start);
            let piece = &bytes[range];
            let mut follower = Follower::new(layout);
            for (place, &byte) in piece.iter().enumerate() {
                let position = follower.position();
                if shape.rests_at(&position) {
                    follower.advance(&piece[..=place]);
                    continue;
                }
                let Input { foretold, left, .. } = follower.input(None);
                corpus.wanted.insert(first + place);
                // A mapped file may have changed since its alphabet was taken. That is noticed later; here it must do
                // no harm.
                corpus.targets.push(index[usize::from(byte)].min(none - 1) as u8);
                corpus.fields.push(position.field.min(shape.fields - 1));
                corpus.offsets.push(position.offset.min(shape.offsets - 1));
                corpus.above.push(byte_row(position.above));
                corpus.foretold.push(byte_row(foretold.byte));
                corpus.states.push(foretold.state);
                corpus.left.push(byte_row(left));
                follower.advance(&piece[..=place]);
            }
            corpus.pieces.push(start..corpus.targets.len());
        }
        corpus
    }

    /// Where in the file these bytes stand; nothing else of them is left.
    pub fn take_wanted(&mut self) -> Wanted {
        std::mem::take(self).wanted
    }

    /// From now on batches come with what contexts say of their bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if that is on other bytes: a mapped file may have changed.
    pub fn heed(&mut self, advice: Advice) -> Result<()> {
        if advice.count() != self.len() {
            let message = "it changed while it was read; nothing was written, try again";
            return Err(Error::new(ErrorKind::Input, message));
        }
        self.advice = Some(advice);
        Ok(())
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// About the bytes that a network predicts of a file of `length` bytes, of which this is all or a part.
    pub fn predicted_of(&self, length: usize) -> f64 {
        self.len() as f64 * (length as f64 / CORPUS_BYTES as f64).max(1.0)
    }

    /// `sequences` sequences of `length` consecutive positions at random places, with advice if there is any, which counts as the
    /// `shares` say.
    pub fn draw(&self, random: &mut Random, sequences: usize, length: usize, shares: Shares) -> Batch {
        let mut batch = Batch::new(sequences, length.min(self.longest_piece()));
        batch.heard = self.advice.as_ref().map(|_| Heard { advice: Advice::default(), shares });
        for _ in 0..sequences {
            // A piece is as likely as it is long, and short ones (the last of the file) give no whole sequence.
            let start = loop {
                let place = random.below(self.len());
                let piece = &self.pieces[self.pieces.partition_point(|piece| piece.end <= place)];
                if piece.len() >= batch.length {
                    break piece.start + random.below(piece.len() - batch.length + 1);
                }
            };
            self.push(&mut batch, start);
        }
        batch
    }

    /// At most `sequences` sequences of `length` positions, evenly spread over the bytes, without advice.
    pub fn spread(&self, sequences: usize, length: usize) -> Batch {
        let piece = self.pieces.iter().max_by_key(|piece| piece.len()).cloned().unwrap_or(0..0);
        let length = length.min(piece.len());
        let mut batch = Batch::new(sequences, length);
        let room = self.len().saturating_sub(length);
        for i in 0..sequences {
            let place = (room as u64 * (2 * i as u64 + 1) / (2 * sequences as u64)) as usize;
            let piece = &self.pieces[self.pieces.partition_point(|piece| piece.end <= place)];
            if piece.len() >= length {
                self.push(&mut batch, place.min(piece.end - length));
            }
        }
        batch
    }

    /// Which rows of each embedding table occur.
    pub fn used_rows(&self, shape: &Shape) -> [Vec<bool>; INPUTS] {
        let mut used = shape.input_rows().map(|rows| vec![false; rows]);
        for i in 0..self.len() {
            for (table, row) in used.iter_mut().zip(self.inputs(i, i == 0)) {
                table[row as usize] = true;
            }
        }
        used
    }

    fn longest_piece(&self) -> usize {
        self.pieces.iter().map(Range::len).max().unwrap_or(0)
    }

    fn inputs(&self, place: usize, first: bool) -> [u32; INPUTS] {
        let previous = if first { self.none } else { self.targets[place - 1].into() };
        let [foretold, state, left] = [self.foretold[place], self.states[place].into(), self.left[place]];
        [previous, self.fields[place], self.offsets[place], self.above[place], foretold, state, left].map(u32::from)
    }

    fn push(&self, batch: &mut Batch, start: usize) {
        let piece = &self.pieces[self.pieces.partition_point(|piece| piece.end <= start)];
        for place in start..start + batch.length {
            for (rows, row) in batch.inputs.iter_mut().zip(self.inputs(place, place == piece.start)) {
                rows.push(row);
            }
            batch.targets.push(self.targets[place].into());
            if let (Some(heard), Some(all)) = (&mut batch.heard, &self.advice) {
                heard.advice.push(all, place);
            }
        }
        batch.sequences = batch.targets.len() / batch.length.max(1);
    }
}

/// Sequences of consecutive positions, one after the other in flat memory.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Number of sequences.
    pub sequences: usize,
    /// Positions in each.
    pub length: usize,
    /// For each of [`INPUTS`], the row of its embedding table at each position.
    pub inputs: [Vec<u32>; INPUTS],
    /// The index in the alphabet of the byte to predict at each position.
    pub targets: Vec<u32>,
    /// What contexts say of it, if that is known.
    pub heard: Option<Heard>,
}

impl Batch {
    fn new(sequences: usize, length: usize) -> Self {
        let room = || Vec::with_capacity(sequences * length);
        Self { sequences: 0, length, inputs: std::array::from_fn(|_| room()), targets: room(), heard: None }
    }

    /// Number of positions.
    pub fn positions(&self) -> usize {
        self.targets.len()
    }

    /// One of its sequences alone, without advice.
    pub fn sequence(&self, number: usize) -> Self {
        let range = number * self.length..(number + 1) * self.length;
        Self {
            sequences: 1,
            length: self.length,
            inputs: self.inputs.each_ref().map(|rows| rows[range.clone()].to_vec()),
            targets: self.targets[range].to_vec(),
            heard: None,
        }
    }
}

/// The stretches of a file that are learnt from, each starting after a line feed where there is one near.
fn pieces(bytes: &[u8]) -> Vec<Range<usize>> {
    if bytes.len() <= CORPUS_BYTES {
        return vec![0..bytes.len(); usize::from(!bytes.is_empty())];
    }
    let count = CORPUS_BYTES / PIECE_BYTES;
    (0..count)
        .map(|i| {
            let start = ((bytes.len() - PIECE_BYTES) as u128 * i as u128 / (count - 1) as u128) as usize;
            let synced = match bytes[start..start + PIECE_BYTES / 4].iter().position(|&byte| byte == b'\n') {
                Some(line_feed) if start > 0 => start + line_feed + 1,
                _ => start,
            };
            synced..start + PIECE_BYTES
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(alphabet: &[u8]) -> Shape {
        Shape {
            width: 16,
            layers: 1,
            heads: 1,
            hidden: 16,
            window: 16,
            fields: 1,
            offsets: 1,
            alphabet: alphabet.to_vec(),
            resting: Vec::new(),
        }
    }

    #[test]
    fn a_position_sees_the_byte_before_it_and_predicts_its_own() {
        let corpus = Corpus::new(b"abcabcabcabc", &Layout::Plain, &shape(b"abc"));
        let batch = corpus.draw(&mut Random::new(7), 5, 6, Shares::START);
        assert_eq!((batch.sequences, batch.positions()), (5, 30));
        for sequence in 0..5 {
            for i in sequence * 6..sequence * 6 + 6 {
                let expected = (batch.targets[i] + 2) % 3;
                let first_of_file = batch.inputs[0][i] == 3 && i % 6 == 0 && batch.targets[i] == 0;
                assert!(first_of_file || batch.inputs[0][i] == expected);
            }
        }
    }

    #[test]
    fn pieces_of_a_long_file_start_after_a_line_feed_and_reach_its_end() {
        let mut bytes = b"seven b\n".repeat(CORPUS_BYTES / 8 + PIECE_BYTES);
        bytes.truncate(CORPUS_BYTES + 5 * PIECE_BYTES + 3);
        let pieces = pieces(&bytes);
        assert_eq!(pieces[0].start, 0);
        assert_eq!(pieces.last().unwrap().end, bytes.len());
        assert!(pieces[1..].iter().all(|piece| bytes[piece.start - 1] == b'\n' && piece.end <= bytes.len()));
        assert!(pieces.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }
}
