//! Match models: what followed the last time that this key was seen.

use super::apm::Cell;
use super::logistic::Logistic;

/// Where keys were last seen; shared by all lanes of a block.
pub struct MatchTable {
    places: Vec<u32>,
    shift: u32,
    cells: Vec<Cell>,
}

/// One lane's place in an earlier text that it seems to repeat.
#[derive(Clone, Copy, Default)]
pub struct Match {
    /// The place in the block of the byte that is predicted, if `length` is not 0.
    place: usize,
    /// The lane that `place` lies in.
    segment: usize,
    /// Bytes predicted right in a row, and 1; 0 if nothing is predicted.
    length: u32,
    predicted: u8,
    cell: usize,
}

/// The lanes' segments of the block.
pub struct Segments {
    /// Where each starts; rising.
    pub starts: Vec<usize>,
    /// Up to where each is coded.
    pub ends: Vec<usize>,
}

impl Segments {
    /// The lane whose segment `place` lies in.
    #[inline(always)]
    fn of(&self, place: usize) -> usize {
        if self.starts.len() == 1 { 0 } else { self.starts.partition_point(|&start| start <= place) - 1 }
    }
}

/// Classes of length.
pub const LENGTHS: usize = 16;

impl MatchTable {
    /// 2^`bits` places.
    pub fn new(bits: u32) -> Self {
        Self { places: vec![0; 1 << bits], shift: 64 - bits, cells: vec![Cell::new(3 << 14); LENGTHS * 8 * 2] }
    }

    /// Exchanges the place where `key` was last seen (0: never) for `place`.
    #[inline(always)]
    pub fn exchange(&mut self, key: u64, place: usize) -> usize {
        std::mem::replace(&mut self.places[(key >> self.shift) as usize], place as u32) as usize
    }
}

impl Match {
    /// The byte it predicts, while it does.
    #[inline(always)]
    pub fn predicted(&self) -> Option<u8> {
        (self.length > 0).then_some(self.predicted)
    }

    /// The class of the length, below [`LENGTHS`]; 0 if nothing is predicted.
    #[inline(always)]
    pub fn class(&self) -> usize {
        match self.length {
            0..=7 => self.length as usize,
            8..=15 => 8 + (self.length as usize - 8) / 4,
            16..=31 => 10 + (self.length as usize - 16) / 8,
            32..=63 => 12,
            64..=127 => 13,
            128..=511 => 14,
            _ => 15,
        }
    }

    /// After `byte` was coded: follows on, or takes up `candidate` (a place just past the key's last occurrence and the
    /// length that is known to agree there). What a lane has not yet coded is not predicted.
    #[inline(always)]
    pub fn advance(&mut self, byte: u8, segments: &Segments, block: &[u8], candidate: impl FnOnce() -> (usize, u32)) {
        if self.length > 0 && self.predicted == byte {
            self.place += 1;
            self.length = (self.length + 1).min(65535);
        } else {
            (self.place, self.length) = candidate();
            self.segment = segments.of(self.place);
        }
        if self.place >= segments.ends[self.segment] {
            self.length = 0;
        }
        if self.length > 0 {
            self.predicted = block[self.place];
        }
    }

    /// The predicted bit's log-odds of a one and the probability's distance from one half in 1/65536, or zeros if
    /// nothing is predicted for this bit. `partial` is the byte so far with a leading 1.
    #[inline(always)]
    pub fn inputs(&mut self, table: &MatchTable, partial: usize, bit_index: usize, logistic: &Logistic) -> (i32, i32) {
        if self.length > 0 && (usize::from(self.predicted) | 256) >> (8 - bit_index) != partial {
            self.length = 0;
        }
        if self.length == 0 {
            return (0, 0);
        }
        self.cell = self.class() * 8 + bit_index;
        let probability = table.cells[self.cell].probability();
        let (octaves, distance) = (logistic.stretch(probability), probability as i32 - (1 << 15));
        if self.predicted >> (7 - bit_index) & 1 == 1 { (octaves, distance) } else { (-octaves, -distance) }
    }

    /// Learns whether the predicted bit was right.
    #[inline(always)]
    pub fn update(&self, table: &mut MatchTable, bit: bool, bit_index: usize) {
        if self.length > 0 {
            let right = (self.predicted >> (7 - bit_index) & 1 == 1) == bit;
            table.cells[self.cell].update(right, 255);
        }
    }
}
