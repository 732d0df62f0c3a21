//! The probability of the next bit: hashed contexts, match models and the network's log-odds, mixed.
//!
//! Everything here is integer arithmetic, specified in the format's chapter below, so that encoder and decoder agree
//! on every machine.
#![doc = include_str!("FORMAT.md")]

mod apm;
mod expected;
mod experts;
mod logistic;
mod matching;
mod mixer;
mod slots;
mod states;
mod vector;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::layout::{Cursor, Layout, Position};
use crate::net::{Distribution, Instructions};

use apm::{Apm, Curve};
use expected::{Expectations, Expected};
use experts::{Experts, MATCH_CONTEXT, MATCHES, Trail};
use logistic::Logistic;
use matching::{Match, MatchTable, Segments, agreement};
use mixer::{Mixers, ONE, Selection};
use slots::{CONTEXTS, GROUPS, Nibble, Slots};
use states::StateMaps;
use vector::{Portable, Row, Vector, WIDTH};

/// How much memory the adaptive tables take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub struct Tables {
    /// Base-2 logarithm of the lines of 64 bytes that each context has, 10 to 20. More lines than half the block's
    /// bytes are not made.
    pub bits: u8,
    /// How much is done for a byte.
    pub effort: Effort,
}

/// The effort above five bits for [`Tables::bits`].
impl From<Tables> for u8 {
    fn from(tables: Tables) -> Self {
        (tables.effort as u8) << 5 | tables.bits & 31
    }
}

impl TryFrom<u8> for Tables {
    type Error = String;

    fn try_from(byte: u8) -> std::result::Result<Self, String> {
        let effort = match byte >> 5 {
            0 => Effort::Quick,
            1 => Effort::Normal,
            2 => Effort::Full,
            unknown => return Err(format!("an effort of number {unknown}")),
        };
        Ok(Self { bits: byte & 31, effort })
    }
}

/// How much is done for a byte, in the order of speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Sixteen contexts; bytes that are likely are expected, and cost a single decision.
    Quick,
    /// Sixteen contexts on delimited text, else 32; bytes that are next to certain are expected.
    Normal,
    /// 32 contexts for every bit of every byte.
    Full,
}

impl Effort {
    /// Groups of sixteen contexts.
    fn groups(self, experts: Experts) -> usize {
        match (self, experts) {
            (Effort::Quick, _) | (Effort::Normal, Experts::Rows) => 1,
            _ => 2,
        }
    }

    /// How likely a byte must be to be expected, in 1/65536.
    fn least_expected(self) -> Option<u16> {
        match self {
            Effort::Quick => Some(63_000),
            Effort::Normal => Some(65_450),
            Effort::Full => None,
        }
    }
}

/// Predicts the bytes of one block, bit by bit, and learns from each. Encoder and decoder run the same one.
pub struct Predictor {
    block: Vec<u8>,
    segments: Segments,
    lanes: Vec<Lane>,
    model: Model,
    build: Build,
}

/// The instruction set that the same code was compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Build {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// A yes or no that a byte is coded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Is it this byte?
    Byte(u8),
    /// Is this bit a one, counted from the highest, 0?
    Bit(usize),
}

impl Decision {
    /// The answer for `byte`.
    pub fn of(self, byte: u8) -> bool {
        match self {
            Decision::Byte(expected) => byte == expected,
            Decision::Bit(index) => byte << index & 128 != 0,
        }
    }
}

/// One lane's own state.
#[derive(Clone)]
struct Lane {
    cursor: Cursor,
    trail: Trail,
    matches: [Match; MATCHES],
    /// The hashes of the coming byte's contexts.
    hashes: [u64; CONTEXTS],
    /// The byte that is expected; where bits are coded, it was not the right one.
    excluded: Option<u8>,
    present: Present,
}

/// What a lane's present bit is predicted from.
#[derive(Clone)]
struct Present {
    expected: Expected,
    /// The byte's first nibble and its second.
    nibbles: [Nibble; 2],
    /// The mixers' inputs: the slots' log-odds, the states', then [`Model::others`].
    inputs: [Row; 2 * GROUPS + 1],
    states: [usize; CONTEXTS],
    selection: Selection,
    curves: [Curve; 2],
}

/// The adaptive state that all lanes share.
struct Model {
    experts: Experts,
    logistic: &'static Logistic,
    /// Unless every bit is coded.
    expectations: Option<Expectations>,
    slots: Slots,
    states: StateMaps,
    match_tables: [MatchTable; MATCHES],
    /// Groups of sixteen contexts.
    groups: usize,
    /// Rows of the mixers' inputs.
    rows: usize,
    mixers: Mixers,
    maps: [Apm; 2],
}

/// The network's inputs in the last row, after two of each match model; the bias follows.
const NETWORK_INPUT: usize = 2 * MATCHES;
const BIAS_INPUT: usize = NETWORK_INPUT + 2;

impl Predictor {
    /// A predictor for one block whose lanes have `lane_lengths` bytes; `instructions` change the speed only.
    pub fn new(layout: &Layout, tables: Tables, lane_lengths: &[usize], instructions: Instructions) -> Self {
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
        let mut lane =
            Lane { cursor, trail, matches, hashes: [0; CONTEXTS], excluded: None, present: Present::default() };
        lane.trail.contexts(&mut lane.hashes);
        lane.hashes[MATCH_CONTEXT] = lane.trail.match_context([None; MATCHES], 0);
        Self {
            block: vec![0; length],
            segments: Segments { ends: starts.clone(), starts },
            lanes: (0..lane_lengths.len()).map(|_| lane.clone()).collect(),
            model: Model::new(experts, tables.effort, table_bits(tables, length)),
            build: Build::of(instructions),
        }
    }

    /// About the bytes of memory that every block takes, whatever its tables and length: most are in the two final maps.
    pub const FIXED_MEMORY: u64 = 18 << 20;

    /// Bytes of memory that a block of `length` bytes takes in tables and for itself, beside [`Self::FIXED_MEMORY`].
    pub fn memory(layout: &Layout, tables: Tables, length: usize) -> u64 {
        let bits = table_bits(tables, length);
        let lines = (tables.effort.groups(Experts::new(layout)) * WIDTH) as u64 * 64;
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

    /// Codes the next byte of `lane`, in binary decisions: `code` gets each and the probability of a yes in 1/65536, and
    /// returns the answer, which an encoder knows and a decoder reads.
    ///
    /// # Errors
    /// Only those of `code`.
    pub fn code_byte(
        &mut self,
        lane: usize,
        network: Option<&Distribution>,
        code: &mut impl FnMut(Decision, u16) -> Result<bool>,
    ) -> Result<()> {
        match self.build {
            Build::Portable => self.code_byte_any::<Portable>(lane, network, code),
            // SAFETY: the build was chosen after the processor was found to have its instructions.
            #[cfg(target_arch = "x86_64")]
            Build::Avx2 => unsafe { self.code_byte_avx2(lane, network, code) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Build::Avx512 => unsafe { self.code_byte_avx512(lane, network, code) },
        }
    }

    /// The block's bytes. Those not coded are 0.
    pub fn into_bytes(self) -> Vec<u8> {
        self.block
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn code_byte_avx2(
        &mut self,
        lane: usize,
        network: Option<&Distribution>,
        code: &mut impl FnMut(Decision, u16) -> Result<bool>,
    ) -> Result<()> {
        self.code_byte_any::<vector::Avx2>(lane, network, code)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn code_byte_avx512(
        &mut self,
        lane: usize,
        network: Option<&Distribution>,
        code: &mut impl FnMut(Decision, u16) -> Result<bool>,
    ) -> Result<()> {
        self.code_byte_any::<vector::Avx512>(lane, network, code)
    }

    #[inline(always)]
    fn code_byte_any<V: Vector>(
        &mut self,
        lane: usize,
        network: Option<&Distribution>,
        code: &mut impl FnMut(Decision, u16) -> Result<bool>,
    ) -> Result<()> {
        let byte = self.model.code_byte::<V>(&mut self.lanes[lane], network, code)?;
        let (start, end) = (self.segments.starts[lane], self.segments.ends[lane]);
        self.block[end] = byte;
        self.segments.ends[lane] = end + 1;
        self.lanes[lane].advance(&mut self.model, &self.segments, &self.block, start, end + 1);
        Ok(())
    }
}

impl Build {
    /// The build for `instructions`, if the processor has them.
    fn of(instructions: Instructions) -> Self {
        match instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 if Self::has_avx2() && is_x86_feature_detected!("avx512f") => Self::Avx512,
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 if Self::has_avx2() => Self::Avx2,
            _ => Self::Portable,
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
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
        for (table, &key) in model.match_tables.iter().zip(&keys) {
            table.prefetch(key);
        }
        self.trail.contexts(&mut self.hashes);
        model.slots.prefetch(&self.hashes);
        for (index, key) in keys.into_iter().enumerate() {
            let found = model.match_tables[index].exchange(key, end);
            self.matches[index].advance(byte, segments, block, || {
                if found == 0 {
                    return (0, 0);
                }
                // Keys of running text are verified; a field's key is trusted.
                let least = [16, 6, 0][index];
                if least == 0 {
                    return (found, 1);
                }
                let length = agreement(&block[..found], history);
                (found, if length >= least { length } else { 0 })
            });
        }
        let predicted = std::array::from_fn(|index: usize| self.matches[index].predicted());
        self.hashes[MATCH_CONTEXT] = self.trail.match_context(predicted, self.matches[0].class());
    }
}

impl Model {
    fn new(experts: Experts, effort: Effort, bits: u32) -> Self {
        let logistic = logistic::tables();
        let groups = effort.groups(experts);
        let state_groups = if experts.maps_states() { groups } else { 0 };
        let first = if experts.maps_states() { ONE / 8 } else { ONE / 4 };
        let mut weights = vec![Row([first; WIDTH]); groups + state_groups];
        let mut others = Row::ZERO;
        others.0[..BIAS_INPUT].iter_mut().step_by(2).for_each(|weight| *weight = ONE / 4);
        weights.push(others);
        Self {
            experts,
            logistic,
            expectations: effort.least_expected().map(|least| {
                let (sizes, sets) = (experts.byte_selector_sizes(), experts.final_sets());
                Expectations::new(groups * WIDTH, least, sizes, sets, logistic)
            }),
            slots: Slots::new(groups, bits, experts.count_limit()),
            states: StateMaps::new(state_groups),
            match_tables: std::array::from_fn(|_| MatchTable::new(bits + 3)),
            groups,
            rows: weights.len(),
            mixers: Mixers::new(&weights, experts.selector_sizes(), experts.final_sets()),
            maps: [Apm::new(1 << 16, 255, logistic), Apm::new(1 << 16, 255, logistic)],
        }
    }

    #[inline(always)]
    fn code_byte<V: Vector>(
        &mut self,
        lane: &mut Lane,
        network: Option<&Distribution>,
        code: &mut impl FnMut(Decision, u16) -> Result<bool>,
    ) -> Result<u8> {
        let Present { expected, nibbles, .. } = &mut lane.present;
        self.slots.find_all(&mut nibbles[0], &lane.hashes, 0);
        lane.excluded = None;
        if let Some(expectations) = &self.expectations {
            self.slots.recall(&nibbles[0], expected.remembered());
            lane.excluded = expectations.choose(expected, &lane.matches);
        }
        let choice = lane.excluded;
        let byte = match choice {
            Some(byte) if self.is_expected::<V>(byte, lane, network, code)? => byte,
            _ => self.code_bits::<V>(lane, network, code)?,
        };
        if let Some(expectations) = &mut self.expectations {
            let Present { expected, nibbles, .. } = &mut lane.present;
            expectations.learn(expected, byte);
            self.slots.remember(&nibbles[0], expected.remembered());
        }
        Ok(byte)
    }

    /// Codes whether the next byte is the expected `byte`.
    #[inline(always)]
    fn is_expected<V: Vector>(
        &mut self,
        byte: u8,
        lane: &mut Lane,
        network: Option<&Distribution>,
        code: &mut impl FnMut(Decision, u16) -> Result<bool>,
    ) -> Result<bool> {
        let Some(expectations) = &mut self.expectations else { return Ok(false) };
        let mut inputs = Row::ZERO;
        inputs.0[NETWORK_INPUT] = network.map_or(0, |network| network.stretch_byte(byte));
        inputs.0[BIAS_INPUT] = 256;
        let classes = lane.matches.each_ref().map(Match::class);
        let selectors = lane.trail.byte_selectors(byte, classes);
        let expected = &mut lane.present.expected;
        let probability = expectations.predict::<V>(expected, inputs, &selectors, self.logistic);
        let right = code(Decision::Byte(byte), probability)?;
        expectations.update::<V>(expected, right, self.logistic);
        Ok(right)
    }

    /// Codes a byte bit by bit.
    #[inline(always)]
    fn code_bits<V: Vector>(
        &mut self,
        lane: &mut Lane,
        network: Option<&Distribution>,
        code: &mut impl FnMut(Decision, u16) -> Result<bool>,
    ) -> Result<u8> {
        let mut partial = 1;
        for nibble in 0..2 {
            if nibble == 1 {
                self.slots.find_all(&mut lane.present.nibbles[1], &lane.hashes, partial);
            }
            self.slots.open::<V>(&mut lane.present.nibbles[nibble]);
            for bit_index in nibble * 4..nibble * 4 + 4 {
                if bit_index == 3 {
                    self.slots.prefetch_second(&lane.hashes, partial);
                }
                let probability = self.predict::<V>(lane, network, partial, bit_index);
                let bit = code(Decision::Bit(bit_index), probability)?;
                self.update::<V>(lane, bit, bit_index);
                partial = partial * 2 + usize::from(bit);
            }
            self.slots.close::<V>(&lane.present.nibbles[nibble]);
        }
        Ok(partial as u8)
    }

    #[inline(always)]
    fn predict<V: Vector>(
        &self,
        lane: &mut Lane,
        network: Option<&Distribution>,
        partial: usize,
        bit_index: usize,
    ) -> u16 {
        let logistic = self.logistic;
        let others = self.others(&lane.matches, network, partial, bit_index);
        let classes = lane.matches.each_ref().map(Match::class);
        let excluding = lane.excluded.is_some_and(|byte| (256 | usize::from(byte)) >> (8 - bit_index) == partial);
        let final_set = if excluding { 256 + bit_index } else { lane.trail.final_set() };
        let Present { nibbles, inputs, states, selection, curves, .. } = &mut lane.present;
        let nibble = &mut nibbles[bit_index / 4];
        self.mixers.select(selection, lane.trail.selectors(partial, bit_index, classes, excluding), final_set);
        self.maps[0].select(&mut curves[0], lane.trail.previous() << 8 | partial);
        self.maps[1].select(&mut curves[1], lane.trail.final_set() << 8 | partial);

        nibble.read::<V>(&mut inputs[..self.groups]);
        if self.experts.maps_states() {
            let inputs = &mut inputs[self.groups..2 * self.groups];
            self.states.predict(states, nibble.slots(), inputs, logistic);
        }
        inputs[self.rows - 1] = others;
        let octaves = self.mixers.mix::<V>(selection, &inputs[..self.rows]);
        let refined = self.maps[0].refine(&mut curves[0], octaves) + self.maps[1].refine(&mut curves[1], octaves);
        ((2 * logistic.squash(octaves) + refined + 2) >> 2).clamp(1, 65535) as u16
    }

    /// The inputs that come from no slot: the match models', the network's and the bias.
    #[inline(always)]
    fn others(
        &self,
        matches: &[Match; MATCHES],
        network: Option<&Distribution>,
        partial: usize,
        bit_index: usize,
    ) -> Row {
        let mut inputs = [0; WIDTH];
        for (index, (model, table)) in matches.iter().zip(&self.match_tables).enumerate() {
            let (octaves, distance) = model.inputs(table, bit_index, self.logistic);
            inputs[2 * index] = octaves;
            inputs[2 * index + 1] = distance >> 4;
        }
        if let Some(network) = network {
            let octaves = network.stretch(partial);
            inputs[NETWORK_INPUT] = octaves;
            inputs[NETWORK_INPUT + 1] = (self.logistic.squash(octaves) as i32 - (1 << 15)) >> 4;
        }
        inputs[BIAS_INPUT] = 256;
        Row(inputs)
    }

    #[inline(always)]
    fn update<V: Vector>(&mut self, lane: &mut Lane, bit: bool, bit_index: usize) {
        let Present { nibbles, inputs, states, selection, curves, .. } = &mut lane.present;
        let nibble = &mut nibbles[bit_index / 4];
        for (map, curve) in self.maps.iter_mut().zip(curves) {
            map.update(curve, bit);
        }
        self.mixers.update::<V>(selection, &inputs[..self.rows], bit, self.logistic);
        for (model, table) in lane.matches.iter_mut().zip(&mut self.match_tables) {
            model.update(table, bit, bit_index);
        }
        if self.experts.maps_states() {
            self.states.update(states, bit);
        }
        self.slots.update::<V>(nibble, bit);
    }
}

impl Default for Present {
    fn default() -> Self {
        Self {
            expected: Expected::default(),
            nibbles: [Nibble::default(), Nibble::default()],
            inputs: [Row::ZERO; 2 * GROUPS + 1],
            states: [0; CONTEXTS],
            selection: Selection::default(),
            curves: [Curve::default(); 2],
        }
    }
}

/// The tables' size for a block of `length` bytes.
fn table_bits(tables: Tables, length: usize) -> u32 {
    let useful = usize::BITS - (length / 2).leading_zeros();
    u32::from(tables.bits).clamp(10, 20).min(useful.max(10))
}

#[cfg(test)]
mod tests;
