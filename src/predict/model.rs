//! What lanes remember, what they share, and how the two make the probability of a decision.

use std::ops::Range;

use crate::Result;
use crate::layout::{Cursor, Layout};
use crate::net::{Distribution, Input};

use super::apm::FinalMaps;
use super::evidence::Evidence;
use super::expected::{Expectations, Expected};
use super::experts::{Experts, FINAL_SETS, MATCH_CONTEXT, Trail};
use super::follower;
use super::logistic::{self, Logistic};
use super::matching::{MATCHES, Match, MatchTable, Segments, agreement};
use super::mixer::{Mixers, ONE, Selection};
use super::numbers::{GUIDES, Numbers, Outlook};
use super::slots::{CONTEXTS, GROUPS, Nibble, Slots};
use super::states::StateMaps;
use super::vector::{Row, Vector, WIDTH};
use super::{Answers, Decision, Effort};

/// The adaptive state that all lanes share.
pub struct Model {
    experts: Experts,
    logistic: &'static Logistic,
    /// Unless every bit is coded.
    expectations: Option<Expectations>,
    slots: Slots,
    states: StateMaps,
    /// For delimited text.
    numbers: Option<Numbers>,
    match_tables: [MatchTable; MATCHES],
    /// Groups of sixteen contexts.
    groups: usize,
    /// Rows of inputs that grow with counts.
    weighed_groups: usize,
    /// Rows of the mixers' inputs.
    rows: usize,
    /// Whether bits have eight mixers, not four.
    eight_mixers: bool,
    mixers: Mixers,
    maps: FinalMaps,
}

/// One lane's own state.
#[derive(Clone)]
pub struct Lane {
    cursor: Cursor,
    trail: Trail,
    matches: [Match; MATCHES],
    outlook: Outlook,
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
    /// The mixers' inputs: the slots' log-odds, the same by their counts, the states', then [`Model::others`].
    inputs: [Row; INPUT_ROWS],
    states: [usize; CONTEXTS],
    selection: Selection,
    cells: [usize; 2],
}

/// Rows of inputs at most: three for each group of contexts, one for the others.
pub const INPUT_ROWS: usize = 3 * GROUPS + 1;
/// The network's inputs in the last row, after two of each match model; the bias follows.
pub const NETWORK_INPUT: usize = 2 * MATCHES;
const BIAS_INPUT: usize = NETWORK_INPUT + 2;
/// The inputs of what guides to numbers say, in the same row.
pub const NUMBER_INPUTS: Range<usize> = BIAS_INPUT + 1..BIAS_INPUT + 1 + GUIDES;

impl Model {
    /// Bytes that tables take for each line.
    pub const LINE_MEMORY: u64 = 64 + (MATCHES * size_of::<u64>()) as u64 / 4;

    /// Tables of 2^`bits` lines.
    pub fn new(experts: Experts, effort: Effort, bits: u32) -> Self {
        let logistic = logistic::tables();
        let groups = effort.groups(experts);
        let state_groups = if experts.maps_states() { groups } else { 0 };
        let first = if experts.maps_states() { ONE / 8 } else { ONE / 4 };
        let sizes = experts.selector_sizes();
        let eight_mixers = effort.has_eight_mixers(experts);
        let weighed_groups = if effort.weighs_counts() { groups } else { 0 };
        let mut weights = vec![Row([first; WIDTH]); groups];
        weights.extend(vec![Row::ZERO; weighed_groups]);
        weights.extend(vec![Row([first; WIDTH]); state_groups]);
        let mut others = Row::ZERO;
        others.0[..BIAS_INPUT].iter_mut().step_by(2).for_each(|weight| *weight = ONE / 4);
        weights.push(others);
        Self {
            experts,
            logistic,
            expectations: effort
                .expects(experts)
                .map(|least| Expectations::new(groups * WIDTH, least, experts.byte_selector_sizes(), logistic)),
            slots: Slots::new(groups, bits, experts.count_limit()),
            states: StateMaps::new(state_groups),
            numbers: (experts == Experts::Rows).then(Numbers::new),
            match_tables: std::array::from_fn(|_| MatchTable::new(bits - 2)),
            groups,
            weighed_groups,
            rows: weights.len(),
            eight_mixers,
            mixers: Mixers::new(&weights, if eight_mixers { &sizes } else { &sizes[..1] }, FINAL_SETS),
            maps: FinalMaps::new([1 << 16; 2], logistic),
        }
    }

    /// Codes the next byte of `lane`. [`Lane::advance`] and [`Self::learn`] must follow.
    ///
    /// # Errors
    /// Only those of `code`.
    #[inline(always)]
    pub fn code_byte<V: Vector>(
        &mut self,
        lane: &mut Lane,
        network: Option<&Distribution>,
        code: &mut impl Answers,
    ) -> Result<u8> {
        let Present { expected, nibbles, .. } = &mut lane.present;
        self.slots.find_all(&mut nibbles[0], &lane.hashes, 0);
        lane.excluded = None;
        if let Some(expectations) = &self.expectations {
            self.slots.recall(&nibbles[0], expected.remembered());
            lane.excluded =
                expectations.choose(expected, &lane.matches, lane.trail.trust_place(lane.matches[0].class()));
        }
        let choice = lane.excluded;
        match choice {
            Some(byte) if self.is_expected::<V>(byte, lane, network, code)? => Ok(byte),
            _ => self.code_bits::<V>(lane, network, code),
        }
    }

    /// Learns what is left to learn of `byte`, the one that [`Self::code_byte`] coded. It comes after [`Lane::advance`], so
    /// that the memory has time to bring what that has asked for.
    #[inline(always)]
    pub fn learn<V: Vector>(&mut self, lane: &mut Lane, byte: u8) {
        let Present { expected, nibbles, .. } = &mut lane.present;
        if lane.excluded != Some(byte) {
            self.slots.close::<V>(&nibbles[1]);
        }
        if let Some(expectations) = &mut self.expectations {
            if let Some(chosen) = lane.excluded {
                expectations.update::<V>(expected, chosen == byte, self.logistic);
            }
            expectations.learn(expected, byte);
            self.slots.remember(&nibbles[0], expected.remembered());
        }
    }

    /// Codes whether the next byte is the expected `byte`.
    #[inline(always)]
    fn is_expected<V: Vector>(
        &self,
        byte: u8,
        lane: &mut Lane,
        network: Option<&Distribution>,
        code: &mut impl Answers,
    ) -> Result<bool> {
        let Some(expectations) = &self.expectations else { return Ok(false) };
        let network = network.map_or(0, |network| network.stretch_byte(byte));
        let guides = lane.outlook.stretch_byte(byte);
        let classes = lane.matches.each_ref().map(Match::class);
        let selectors = lane.trail.byte_selectors(byte, classes);
        let expected = &mut lane.present.expected;
        let probability = expectations.predict::<V>(expected, network, guides, &selectors, self.logistic);
        code.answer(Decision::Byte(byte), probability, &expectations.evidence(expected, &selectors))
    }

    /// Codes a byte bit by bit.
    #[inline(always)]
    fn code_bits<V: Vector>(
        &mut self,
        lane: &mut Lane,
        network: Option<&Distribution>,
        code: &mut impl Answers,
    ) -> Result<u8> {
        let mut partial = 1;
        for nibble in 0..2 {
            if nibble == 1 {
                self.slots.close::<V>(&lane.present.nibbles[0]);
                self.slots.find_all(&mut lane.present.nibbles[1], &lane.hashes, partial);
            }
            self.slots.open::<V>(&mut lane.present.nibbles[nibble]);
            for bit_index in nibble * 4..nibble * 4 + 4 {
                if bit_index == 3 {
                    self.slots.prefetch_second(&lane.hashes, partial);
                }
                let probability = self.predict::<V>(lane, network, partial, bit_index);
                let bit = code.answer(Decision::Bit(bit_index), probability, &self.evidence(lane, partial))?;
                self.update::<V>(lane, bit, bit_index);
                partial = partial * 2 + usize::from(bit);
            }
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
        let others = self.others(&lane.matches, &lane.outlook, network, partial, bit_index);
        let classes = lane.matches.each_ref().map(Match::class);
        let excluding = lane.excluded.is_some_and(|byte| (256 | usize::from(byte)) >> (8 - bit_index) == partial);
        let final_set = if excluding { FINAL_SETS - 8 + bit_index } else { lane.trail.final_set() };
        let Present { nibbles, inputs, states, selection, cells, .. } = &mut lane.present;
        let nibble = &mut nibbles[bit_index / 4];
        self.mixers.select(selection, 0, lane.trail.selectors(partial, bit_index, classes, excluding));
        if self.eight_mixers {
            self.mixers.select(selection, 1, lane.trail.more_selectors(bit_index));
        }
        self.mixers.select_last(selection, final_set);

        let (odds, more) = inputs.split_at_mut(self.groups);
        let (weighed, more) = more.split_at_mut(self.weighed_groups);
        nibble.read::<V>(odds, weighed);
        if self.experts.maps_states() {
            self.states.predict(states, nibble.slots(), &mut more[..self.groups], logistic);
        }
        inputs[self.rows - 1] = others;
        let octaves = self.mixers.mix::<V>(selection, &inputs[..self.rows]);
        self.maps.refine(cells, final_contexts(&lane.trail, partial), octaves, logistic)
    }

    /// What the present bit's probability was made from.
    #[inline(always)]
    fn evidence<'a>(&'a self, lane: &'a Lane, partial: usize) -> Evidence<'a> {
        let Present { inputs, selection, .. } = &lane.present;
        let contexts = final_contexts(&lane.trail, partial);
        Evidence {
            mixers: &self.mixers,
            selection,
            inputs: &inputs[..self.rows],
            contexts,
            is_bit: true,
            groups: self.groups,
        }
    }

    /// The inputs that come from no slot: the match models', the network's and the bias.
    #[inline(always)]
    fn others(
        &self,
        matches: &[Match; MATCHES],
        outlook: &Outlook,
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
        inputs[NUMBER_INPUTS].copy_from_slice(&outlook.stretch(partial));
        Row(inputs)
    }

    #[inline(always)]
    fn update<V: Vector>(&mut self, lane: &mut Lane, bit: bool, bit_index: usize) {
        let Present { nibbles, inputs, states, selection, cells, .. } = &mut lane.present;
        let nibble = &mut nibbles[bit_index / 4];
        self.maps.update(cells, bit);
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

/// The contexts of the final maps for a bit.
#[inline(always)]
fn final_contexts(trail: &Trail, partial: usize) -> [usize; 2] {
    [trail.first_curve(), trail.final_curve()].map(|context| context << 8 | partial)
}

impl Lane {
    /// A lane at its beginning.
    pub fn new(layout: &Layout) -> Self {
        let mut trail = Trail::new(layout);
        let mut hashes = [0; CONTEXTS];
        trail.contexts(GROUPS, &mut hashes);
        hashes[MATCH_CONTEXT] = trail.match_context([None; MATCHES], 0);
        let (cursor, matches) = (layout.cursor(), [Match::default(); MATCHES]);
        let outlook = Outlook::default();
        Self { cursor, trail, matches, outlook, hashes, excluded: None, present: Present::default() }
    }

    /// What the network is told about the byte after the lane's `history`.
    pub fn input(&self, history: &[u8]) -> Input {
        follower::input(&self.cursor, &self.trail, history)
    }

    /// Takes note of the byte before `end`; the lane's segment of `block` is `start..end`.
    #[inline(always)]
    pub fn advance(&mut self, model: &mut Model, segments: &Segments, block: &[u8], start: usize, end: usize) {
        let history = &block[start..end];
        let byte = block[end - 1];
        self.cursor.advance(history);
        self.trail.advance(&self.cursor, history);
        if let Some(numbers) = &mut model.numbers {
            numbers.advance(&mut self.outlook, &self.trail, byte);
        }
        let keys = self.trail.match_keys(history);
        for (table, &key) in model.match_tables.iter().zip(&keys) {
            table.prefetch(key);
        }
        self.trail.contexts(model.groups, &mut self.hashes);
        model.slots.prefetch_first(MATCH_CONTEXT + 1..model.groups * WIDTH, &self.hashes);
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
        model.slots.prefetch_first(MATCH_CONTEXT..MATCH_CONTEXT + 1, &self.hashes);
    }
}

impl Default for Present {
    fn default() -> Self {
        Self {
            expected: Expected::default(),
            nibbles: [Nibble::default(), Nibble::default()],
            inputs: [Row::ZERO; INPUT_ROWS],
            states: [0; CONTEXTS],
            selection: Selection::default(),
            cells: [0; 2],
        }
    }
}
