//! The probability of the next bit: hashed contexts, match models and the network's log-odds, mixed.
//!
//! Everything here is integer arithmetic, specified in the format's chapter below, so that encoder and decoder agree
//! on every machine.
#![doc = include_str!("FORMAT.md")]

mod apm;
mod experts;
mod kernels;
mod logistic;
mod matching;
mod mixer;
mod slots;
mod states;

use crate::Result;
use crate::layout::{Cursor, Layout, Position};
use crate::net::Distribution;

use apm::Apm;
use experts::{Experts, MATCHES, SELECTORS, Trail};
use kernels::{Kernel, Portable};
use logistic::Logistic;
use matching::{Match, MatchTable, Segments};
use mixer::{Mixer, ONE, Rate};
use slots::{CONTEXTS, Slots};
use states::StateMaps;

/// How much memory the adaptive tables take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Base-2 logarithm of the lines of 64 bytes that each context has, 10 to 20. More lines than half the block's
    /// bytes are not made.
    pub bits: u8,
}

/// Predicts the bytes of one block, bit by bit, and learns from each. Encoder and decoder run the same one.
pub struct Predictor {
    block: Vec<u8>,
    segments: Segments,
    lanes: Vec<Lane>,
    model: Model,
    /// Whether the processor has the instructions of the fast build of the same code.
    fast: bool,
}

/// One lane's own state.
struct Lane {
    cursor: Cursor,
    trail: Trail,
    matches: [Match; MATCHES],
    /// The hashes of the coming byte's contexts.
    hashes: [u64; CONTEXTS],
}

/// The adaptive state that all lanes share.
struct Model {
    experts: Experts,
    logistic: &'static Logistic,
    slots: Slots,
    states: StateMaps,
    match_tables: [MatchTable; MATCHES],
    inputs: Vec<i32>,
    network: bool,
    mixers: [Mixer; SELECTORS],
    mixed: [i32; 8],
    last_mixer: Mixer,
    maps: [Apm; 2],
}

/// Inputs of each context and each match model.
const EACH: usize = 2;
const RATE: Rate = Rate { first: 1500, last: 300 };
const LAST_RATE: Rate = Rate { first: 300, last: 60 };

impl Predictor {
    /// A predictor for one block whose lanes have `lane_lengths` bytes; `network` says whether [`Self::code_byte`] will be
    /// given a network's distribution.
    pub fn new(layout: &Layout, tables: Tables, lane_lengths: &[usize], network: bool) -> Self {
        let length = lane_lengths.iter().sum();
        let starts: Vec<usize> = lane_lengths
            .iter()
            .scan(0, |next, &length| {
                let start = *next;
                *next += length;
                Some(start)
            })
            .collect();
        let cursor = layout.cursor();
        let experts = Experts::new(layout);
        let (trail, matches) = (Trail::new(layout), [Match::default(); MATCHES]);
        let mut lane = Lane { cursor, trail, matches, hashes: [0; CONTEXTS] };
        lane.trail.contexts([None; MATCHES], 0, &mut lane.hashes);
        Self {
            block: vec![0; length],
            segments: Segments { ends: starts.clone(), starts },
            lanes: (0..lane_lengths.len()).map(|_| lane.clone()).collect(),
            model: Model::new(experts, table_bits(tables, length), network),
            fast: has_fast_instructions(),
        }
    }

    /// About the bytes of memory that every block takes, whatever its tables and length: most are in the two final maps.
    pub const FIXED_MEMORY: u64 = 18 << 20;

    /// Bytes of memory that a block of `length` bytes takes in tables and for itself, beside [`Self::FIXED_MEMORY`].
    pub fn memory(layout: &Layout, tables: Tables, length: usize) -> u64 {
        let bits = table_bits(tables, length);
        let lines = Experts::new(layout).contexts() as u64 * 64;
        let matches = MATCHES as u64 * 8 * 4;
        ((lines + matches) << bits) + length as u64
    }

    /// Where the next byte of `lane` stands.
    pub fn position(&self, lane: usize) -> Position {
        self.lanes[lane].cursor.position()
    }

    /// The last byte of `lane`, if it has one yet.
    pub fn previous(&self, lane: usize) -> Option<u8> {
        let (start, end) = (self.segments.starts[lane], self.segments.ends[lane]);
        self.block[start..end].last().copied()
    }

    /// Codes the next byte of `lane`: for each bit, the highest first, `code` gets the probability of a one in 1/65536
    /// and returns the bit, which an encoder knows and a decoder reads.
    ///
    /// # Errors
    /// Only those of `code`.
    pub fn code_byte(
        &mut self,
        lane: usize,
        network: Option<&Distribution>,
        code: &mut impl FnMut(u16) -> Result<bool>,
    ) -> Result<u8> {
        #[cfg(target_arch = "x86_64")]
        if self.fast {
            // SAFETY: `fast` was set after the processor was found to have these instructions.
            return unsafe { self.code_byte_fast(lane, network, code) };
        }
        self.code_byte_any::<Portable>(lane, network, code)
    }

    /// The block's bytes. Those not coded are 0.
    pub fn into_bytes(self) -> Vec<u8> {
        self.block
    }

    /// The same code, compiled for wider vectors.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn code_byte_fast(
        &mut self,
        lane: usize,
        network: Option<&Distribution>,
        code: &mut impl FnMut(u16) -> Result<bool>,
    ) -> Result<u8> {
        self.code_byte_any::<kernels::Avx2>(lane, network, code)
    }

    #[inline(always)]
    fn code_byte_any<K: Kernel>(
        &mut self,
        lane: usize,
        network: Option<&Distribution>,
        code: &mut impl FnMut(u16) -> Result<bool>,
    ) -> Result<u8> {
        let byte = self.model.code_byte::<K>(&mut self.lanes[lane], network, code)?;
        let (start, end) = (self.segments.starts[lane], self.segments.ends[lane]);
        self.block[end] = byte;
        self.segments.ends[lane] = end + 1;
        self.lanes[lane].advance(&mut self.model, &self.segments, &self.block, start, end + 1);
        Ok(byte)
    }
}

impl Clone for Lane {
    fn clone(&self) -> Self {
        Self { cursor: self.cursor.clone(), trail: self.trail.clone(), matches: self.matches, hashes: self.hashes }
    }
}

impl Lane {
    /// Takes note of the byte before `end`; the lane's segment of `block` is `start..end`.
    #[inline(always)]
    fn advance(&mut self, model: &mut Model, segments: &Segments, block: &[u8], start: usize, end: usize) {
        let history = &block[start..end];
        let byte = block[end - 1];
        self.cursor.advance(history);
        self.trail.advance(&self.cursor, history);
        let keys = self.trail.match_keys(history);
        for (index, key) in keys.into_iter().enumerate() {
            let found = model.match_tables[index].exchange(key, end);
            self.matches[index].advance(byte, segments, block, || {
                if found == 0 {
                    return (0, 0);
                }
                // Keys of running text are verified; a field's key is trusted.
                let agreeing = (0..32.min(end - start))
                    .take_while(|&back| back < found && block[found - 1 - back] == block[end - 1 - back]);
                let length = agreeing.count() as u32;
                match index {
                    0 => (found, if length >= 16 { length } else { 0 }),
                    1 => (found, if length >= 6 { length } else { 0 }),
                    _ => (found, 1),
                }
            });
        }
        let predicted = std::array::from_fn(|index: usize| self.matches[index].predicted());
        self.trail.contexts(predicted, self.matches[0].class(), &mut self.hashes);
        model.slots.prefetch(&self.hashes);
    }
}

impl Model {
    fn new(experts: Experts, bits: u32, network: bool) -> Self {
        let logistic = logistic::tables();
        let states = if experts.maps_states() { experts.contexts() } else { 0 };
        let slots = experts.contexts().next_multiple_of(8);
        let inputs = (slots + MATCHES + usize::from(network)) * EACH + states;
        let padded = (inputs + 1).next_multiple_of(8);
        let mut weights = vec![0; padded];
        let first = if states > 0 { ONE / 8 } else { ONE / 4 };
        let [after_slots, after_states] = [slots * EACH, slots * EACH + states];
        weights[..experts.contexts()].fill(first);
        weights[after_slots..after_states].fill(first);
        weights[after_states..inputs].iter_mut().step_by(EACH).for_each(|weight| *weight = ONE / 4);
        let sizes = experts.selector_sizes();
        let mut last_weights = [0; 8];
        last_weights[..SELECTORS].fill(ONE / SELECTORS as i32);
        Self {
            experts,
            logistic,
            slots: Slots::new(experts.contexts(), bits, experts.count_limit()),
            states: StateMaps::new(if experts.maps_states() { experts.contexts() } else { 0 }),
            match_tables: std::array::from_fn(|_| MatchTable::new(bits + 3)),
            inputs: vec![0; padded],
            network,
            mixers: std::array::from_fn(|index| Mixer::new(sizes[index], &weights, RATE)),
            mixed: [0; 8],
            last_mixer: Mixer::new(experts.final_sets(), &last_weights, LAST_RATE),
            maps: [Apm::new(1 << 16, 255, logistic), Apm::new(1 << 16, 255, logistic)],
        }
    }

    #[inline(always)]
    fn code_byte<K: Kernel>(
        &mut self,
        lane: &mut Lane,
        network: Option<&Distribution>,
        code: &mut impl FnMut(u16) -> Result<bool>,
    ) -> Result<u8> {
        self.slots.find(&lane.hashes, 0);
        let mut partial = 1;
        for bit_index in 0..8 {
            if bit_index == 3 {
                self.slots.prefetch_second(&lane.hashes, partial);
            } else if bit_index == 4 {
                self.slots.find(&lane.hashes, partial);
            }
            let probability = self.predict::<K>(lane, network, partial, bit_index);
            let bit = code(probability)?;
            self.update::<K>(lane, bit, bit_index);
            partial = partial * 2 + usize::from(bit);
        }
        Ok(partial as u8)
    }

    #[inline(always)]
    fn predict<K: Kernel>(
        &mut self,
        lane: &mut Lane,
        network: Option<&Distribution>,
        partial: usize,
        bit_index: usize,
    ) -> u16 {
        let logistic = self.logistic;
        let inputs = &mut self.inputs[..];
        self.slots.gather();
        let mut next = self.experts.contexts().next_multiple_of(8) * EACH;
        self.slots.read::<K>(&mut inputs[..next], logistic);
        if self.experts.maps_states() {
            let states = &mut inputs[next..next + self.experts.contexts()];
            self.states.predict(self.slots.present(), states, logistic);
            next += self.experts.contexts();
        }
        for (model, table) in lane.matches.iter_mut().zip(&self.match_tables) {
            (inputs[next], inputs[next + 1]) = model.inputs(table, partial, bit_index, logistic);
            inputs[next + 1] >>= 4;
            next += EACH;
        }
        if self.network {
            let octaves = network.map_or(0, |network| network.stretch(partial));
            inputs[next] = octaves;
            inputs[next + 1] = (logistic.squash(octaves) as i32 - (1 << 15)) >> 4;
            next += 2;
        }
        inputs[next] = 256;

        let classes = std::array::from_fn(|index: usize| lane.matches[index].class());
        let sets = lane.trail.selectors(partial, bit_index, classes);
        for (index, set) in sets.into_iter().enumerate() {
            self.mixed[index] = self.mixers[index].mix::<K>(&self.inputs, set, logistic);
        }
        let octaves = self.last_mixer.mix::<K>(&self.mixed, lane.trail.final_set(), logistic);
        let by_previous = self.maps[0].refine(octaves, lane.trail.previous() << 8 | partial);
        let by_field = self.maps[1].refine(octaves, lane.trail.final_set() << 8 | partial);
        let sum = 2 * logistic.squash(octaves) + by_previous + by_field;
        ((sum + 2) >> 2).clamp(1, 65535) as u16
    }

    #[inline(always)]
    fn update<K: Kernel>(&mut self, lane: &Lane, bit: bool, bit_index: usize) {
        for map in &mut self.maps {
            map.update(bit);
        }
        self.last_mixer.update::<K>(&self.mixed, bit);
        for mixer in &mut self.mixers {
            mixer.update::<K>(&self.inputs, bit);
        }
        for (model, table) in lane.matches.iter().zip(&mut self.match_tables) {
            model.update(table, bit, bit_index);
        }
        if self.experts.maps_states() {
            self.states.update(bit);
        }
        self.slots.update::<K>(bit);
    }
}

/// The tables' size for a block of `length` bytes.
fn table_bits(tables: Tables, length: usize) -> u32 {
    let useful = usize::BITS - (length / 2).leading_zeros();
    u32::from(tables.bits).clamp(10, 20).min(useful.max(10))
}

/// Whether the fast build of the predictor can run here. It gives the same results.
fn has_fast_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("bmi1")
            && std::arch::is_x86_feature_detected!("bmi2")
            && std::arch::is_x86_feature_detected!("lzcnt")
            && std::arch::is_x86_feature_detected!("popcnt")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(test)]
mod tests;
