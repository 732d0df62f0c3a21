//! What is learned of a block, what precedes its next byte, and how the two make the probability of a decision.

use std::ops::Range;

use crate::Result;
use crate::layout::{Cursor, Layout, Position};
use crate::net::{Distribution, Input};

use super::apm::{Apm, FinalMaps};
#[cfg(feature = "reports")]
use super::beginnings::{self, Learned};
use super::beginnings::{Beginnings, Section};
use super::certain::{ASKED, Certainty, Claim};
use super::evidence::{DecisionKind, Evidence, Mixed};
use super::expected::{Expectations, Expected, Voices};
use super::experts::{COUNTED, Experts, FEW, FINAL_SETS, MATCH_CONTEXT, Trail, mix};
use super::follower;
use super::logistic::{self, Logistic};
use super::matching::{MATCHES, Match, MatchTable, agreement, classes};
use super::memories::{Memories, Places};
use super::mixer::{Mixers, SELECTORS, Selection};
use super::numbers::{GUIDES, Numbers, Outlook};
use super::slots::{CONTEXTS, GROUPS, Nibble, Slots};
use super::states::{StateCells, StateMaps};
use super::vector::{Row, Vector, WIDTH};
use super::{Answers, Decision, Effort, Oracle};

/// The adaptive state: all that is learned.
pub struct Model {
    logistic: &'static Logistic,
    memories: Memories,
    certainty: Certainty,
    /// Unless every bit of what is not certain is coded.
    foresight: Option<Foresight>,
    slots: Slots,
    states: StateMaps,
    /// For delimited text.
    numbers: Option<Numbers>,
    match_tables: [MatchTable; MATCHES],
    contexts: usize,
    /// Contexts that remember bytes, the first ones; where there are none, those that are asked do.
    remembering: usize,
    /// Those that are asked whether a byte is certain.
    asked: [usize; ASKED],
    /// Rows of contexts.
    groups: usize,
    /// Rows of the mixers' inputs.
    rows: usize,
    /// The place in the last of them from which on inputs come from no context.
    others_start: usize,
    /// Whether bits have eight mixers, not four.
    eight_mixers: bool,
    /// The contexts by whose counts the last of the eight is selected.
    counted: [usize; COUNTED],
    mixers: Mixers,
    /// How far the network has been right, once there is one.
    network_map: Option<Apm>,
    maps: FinalMaps,
}

/// What is expected before bits are coded.
struct Foresight {
    bytes: Expectations<0>,
    /// Of a byte that is not expected, the upper half, where those are expected.
    halves: Option<Expectations<4>>,
    /// Whether so few bytes are expected that the memory is asked for the lines of all.
    is_rare: bool,
}

/// What the next byte follows on.
#[derive(Clone)]
pub struct Situation {
    cursor: Cursor,
    trail: Trail,
    matches: [Match; MATCHES],
    outlook: Outlook,
    /// The hashes of the coming byte's contexts that are asked whether it is certain, and what they claim.
    asked: [u64; ASKED],
    claim: Claim,
    /// The hashes of all, if it is not.
    hashes: [u64; CONTEXTS],
    /// The byte that is certain or expected; where bits are coded, it was not the right one.
    excluded: Option<u8>,
    /// A byte whose upper half was expected and was not right.
    excluded_half: Option<u8>,
    /// Where the contexts remember bytes.
    places: Places,
    voices: Voices,
    /// The coming byte's place of trust.
    trust_place: usize,
    present: Present,
}

/// What the present bit is predicted from.
#[derive(Clone)]
struct Present {
    expected: Expected,
    expected_half: Expected,
    /// The byte's first nibble and its second.
    nibbles: [Nibble; 2],
    /// The mixers' inputs: the slots' log-odds, the states', then [`Model::others`].
    inputs: [Row; INPUT_ROWS],
    states: StateCells,
    selection: Selection,
    /// The cell of the network's map, if the network predicts.
    network_cell: Option<usize>,
    cells: [usize; 2],
}

/// Base-2 logarithm of the memories for each line.
const MEMORY_BITS: u32 = 1;
/// Rows of inputs at most: two for each group of contexts, one for the others.
pub const INPUT_ROWS: usize = 2 * GROUPS + 1;
/// The network's inputs among the others, after two of each match model; the bias follows, and what guides to numbers say.
pub const NETWORK_INPUT: usize = 2 * MATCHES;
const BIAS_INPUT: usize = NETWORK_INPUT + 2;
/// The inputs of what guides to numbers say, among the others.
pub const NUMBER_INPUTS: Range<usize> = BIAS_INPUT + 1..BIAS_INPUT + 1 + GUIDES;
/// The input of what the network's map makes of what the network says, behind those.
pub const NETWORK_MAP_INPUT: usize = NUMBER_INPUTS.end;
/// Base-2 logarithm of the curves of the network's map.
const NETWORK_MAP_BITS: u32 = 13;

impl Foresight {
    /// Whether the lines of a byte at `place` are likely to be looked at.
    #[inline(always)]
    fn wants_lines(&self, place: usize) -> bool {
        self.is_rare || self.halves.is_none() && !self.bytes.trusts(place)
    }
}

impl Model {
    /// Bytes that tables take for each line.
    pub const LINE_MEMORY: u64 =
        64 + ((MATCHES * size_of::<u64>()) as u64 >> 2) + ((size_of::<u32>() as u64) << MEMORY_BITS);

    /// Tables of 2^`bits` lines.
    pub fn new(experts: Experts, effort: Effort, bits: u32, beginnings: Beginnings) -> Self {
        let mut sections = (beginnings.mixers(experts, effort), beginnings.chances(experts));
        Self::beginning_with(&mut sections, experts, effort, bits)
    }

    /// The same with what `sections` of mixers and chances say.
    pub fn beginning_with(sections: &mut (Section, Section), experts: Experts, effort: Effort, bits: u32) -> Self {
        let logistic = logistic::tables();
        let contexts = effort.contexts(experts);
        let expected = effort.expects(experts);
        let remembering = if expected.is_some() { contexts.min(WIDTH) } else { 0 };
        let groups = contexts.div_ceil(WIDTH);
        let state_groups = if effort.maps_states() { groups } else { 0 };
        let selector_sizes = experts.selector_sizes();
        let eight_mixers = effort.has_eight_mixers(experts);
        let selector_sizes = if eight_mixers { &selector_sizes[..] } else { &selector_sizes[..1] };
        let others_start = others_start(contexts);
        let rows = groups + state_groups + usize::from(others_start == 0);
        let beginning = sections.0.mixers(SELECTORS * selector_sizes.len(), rows);
        let mixers = Mixers::new(&beginning, selector_sizes, FINAL_SETS, experts.settled_rate());
        let states = StateMaps::new(state_groups, &mut sections.1, logistic);
        Self {
            logistic,
            memories: Memories::new(bits + MEMORY_BITS),
            certainty: Certainty::new(effort.least_certain()),
            foresight: expected.map(|(byte, half)| Foresight {
                bytes: Expectations::new(remembering, byte, experts, sections, logistic),
                halves: half.map(|half| Expectations::new(remembering, half, experts, sections, logistic)),
                is_rare: experts != Experts::Rows && effort > Effort::Quick,
            }),
            slots: Slots::new(contexts, bits),
            states,
            numbers: (experts == Experts::Rows && effort > Effort::Fast).then(Numbers::new),
            match_tables: std::array::from_fn(|_| MatchTable::new(bits - 2)),
            contexts,
            remembering,
            asked: experts.asked(contexts),
            groups,
            rows,
            others_start,
            eight_mixers,
            counted: experts.counted(),
            mixers,
            network_map: None,
            maps: FinalMaps::new([1 << 16; 2], logistic),
        }
    }

    /// What has been learned that other files may begin with.
    #[cfg(feature = "reports")]
    pub fn learned(&self) -> Learned {
        let mut learned = Learned::default();
        beginnings::add_weights(&mut learned.weights, &self.mixers.learned());
        if let Some(Foresight { bytes, halves, .. }) = &self.foresight {
            learned.bytes = bytes.learned(&mut learned.weights, self.logistic);
            if let Some(halves) = halves {
                learned.halves = halves.learned(&mut learned.weights, self.logistic);
            }
        }
        learned.states = self.states.learned(self.logistic);
        learned
    }

    /// Codes the next byte. [`Situation::advance`] and [`Self::learn`] must follow.
    ///
    /// # Errors
    /// Only those of `code`.
    #[inline(always)]
    pub fn code_byte<V: Vector>(
        &mut self,
        situation: &mut Situation,
        network: &mut impl Oracle,
        code: &mut impl Answers,
    ) -> Result<u8> {
        (situation.excluded, situation.excluded_half) = (None, None);
        if let Some(byte) = self.code_certain(situation, network.known(), code)? {
            return Ok(byte);
        }
        let network = network.ask();
        if network.is_some() && self.network_map.is_none() {
            self.network_map = Some(Apm::new(1 << NETWORK_MAP_BITS, self.logistic));
        }
        self.look(situation);
        let mut partial = 1;
        if let Some(foresight) = &self.foresight {
            self.memories.recall(
                &mut situation.places,
                &mut situation.voices[0],
                &situation.hashes[..self.remembering],
            );
            let voices_of_matches = &mut situation.voices[self.remembering / WIDTH].0[self.remembering % WIDTH..];
            for (voice, model) in voices_of_matches.iter_mut().zip(&situation.matches) {
                *voice = model.predicted().map_or(0, |byte| (model.class() as i32) << 8 | i32::from(byte));
            }
            let expected =
                foresight.bytes.choose::<V>(&mut situation.present.expected, &situation.voices, situation.trust_place);
            if !situation.claim.is_decided() {
                situation.excluded = expected;
                if let Some(byte) = expected
                    && self.is_expected::<V>(byte, situation, network, code)?
                {
                    return Ok(byte);
                }
            }
            partial = self.code_half::<V>(situation, network, code)?;
        }
        let byte = self.code_bits::<V>(partial, situation, network, code)?;
        if let Some(Foresight { halves: Some(halves), .. }) = &mut self.foresight {
            halves.learn::<V>(&mut situation.present.expected_half, &situation.voices, byte);
        }
        Ok(byte)
    }

    /// Learns what is left to learn of `byte`, the one that [`Self::code_byte`] coded. It comes after [`Situation::advance`], so
    /// that the memory has time to bring what that has asked for.
    #[inline(always)]
    pub fn learn<V: Vector>(&mut self, situation: &mut Situation, byte: u8) {
        self.certainty.learn(&situation.claim, byte);
        let is_certain = situation.claim.has_settled(byte);
        if is_certain || self.foresight.is_none() {
            self.memories.learn_found::<V>(&situation.claim.recalled, byte);
        }
        if is_certain {
            return;
        }
        let Present { expected, nibbles, .. } = &mut situation.present;
        if situation.excluded != Some(byte) {
            self.slots.close::<V>(&nibbles[1]);
        }
        if let Some(Foresight { bytes, .. }) = &mut self.foresight {
            if situation.excluded == Some(byte) {
                bytes.update::<V>(expected, true, self.logistic);
            }
            bytes.learn::<V>(expected, &situation.voices, byte);
            self.memories.learn::<V>(&situation.places, &situation.voices[0], self.remembering, byte);
        }
    }

    /// Codes whether the next byte is the one that is certain, if one is; if that is right, it is all.
    #[inline(always)]
    fn code_certain(
        &self,
        situation: &mut Situation,
        network: Option<&Distribution>,
        code: &mut impl Answers,
    ) -> Result<Option<u8>> {
        let Situation { asked, claim, trail, matches, excluded, .. } = situation;
        claim.recalled = asked.map(|hash| self.memories.find(hash));
        let Some(certain) = self.certainty.choose(claim, trail.final_set(), matches) else { return Ok(None) };
        let (byte, probability) = certain;
        *excluded = Some(byte);
        let evidence = claim.evidence(certain, self.asked, matches, network);
        let right = code.answer(Decision::Byte(byte), probability, &evidence)?;
        Ok(right.then_some(byte))
    }

    /// Looks at all that a byte is predicted from that is not certain. Not a part of each build's code.
    #[inline(never)]
    fn look(&self, situation: &mut Situation) {
        situation.trail.contexts(self.contexts, &mut situation.hashes);
        situation.hashes[MATCH_CONTEXT] = situation.trail.match_context(&situation.matches);
        situation.trust_place = situation.trail.trust_place(situation.matches[0].class());
        self.memories.prefetch(&situation.hashes[..self.remembering]);
        if self.foresight.as_ref().is_none_or(|foresight| foresight.wants_lines(situation.trust_place)) {
            self.slots.prefetch(&situation.hashes, 0);
        }
        // While the memory brings what that has asked for.
        if let Some(numbers) = &self.numbers {
            numbers.look_ahead(&mut situation.outlook, &situation.trail);
        }
    }

    /// Codes whether the next byte is the expected `byte`.
    #[inline(always)]
    fn is_expected<V: Vector>(
        &self,
        byte: u8,
        situation: &mut Situation,
        network: Option<&Distribution>,
        code: &mut impl Answers,
    ) -> Result<bool> {
        let Some(Foresight { bytes, .. }) = &self.foresight else { return Ok(false) };
        let network = network.map_or(0, |network| network.stretch_byte(byte));
        let guides = situation.outlook.stretch_byte(byte);
        let selectors = situation.trail.byte_selectors(byte, classes(&situation.matches));
        let expected = &mut situation.present.expected;
        let probability = bytes.predict::<V>(expected, &situation.voices, network, guides, &selectors, self.logistic);
        code.answer(Decision::Byte(byte), probability, &bytes.evidence(expected, &selectors))
    }

    /// Learns that the expected byte was wrong, if one was expected, then codes whether the next byte's upper half is the
    /// expected one, if one is. Returns what is then known of the byte, below a leading 1. The memory is asked for the lines
    /// of the bits to come as early as they are known.
    #[inline(always)]
    fn code_half<V: Vector>(
        &mut self,
        situation: &mut Situation,
        network: Option<&Distribution>,
        code: &mut impl Answers,
    ) -> Result<usize> {
        let Situation { trail, matches, outlook, hashes, voices, trust_place, present, .. } = situation;
        let Present { expected, expected_half, .. } = present;
        let Some(Foresight { bytes, halves, .. }) = &mut self.foresight else { return Ok(1) };
        let half = halves.as_ref().and_then(|halves| halves.choose::<V>(expected_half, voices, *trust_place));
        let partial = half.map_or(1, |half| 16 | usize::from(half >> 4));
        self.slots.prefetch(hashes, if partial == 1 { 0 } else { partial });
        if situation.excluded.is_some() && !situation.claim.is_decided() {
            bytes.update::<V>(expected, false, self.logistic);
        }
        let (Some(half), Some(halves)) = (half, halves) else { return Ok(1) };
        let network = network.map_or(0, |network| network.stretch_half(half));
        let guides = outlook.stretch_half(half);
        let classes = classes(matches);
        let selectors = trail.half_selectors(half, classes, situation.excluded.is_some());
        let probability = halves.predict::<V>(expected_half, voices, network, guides, &selectors, self.logistic);
        let right = code.answer(Decision::Half(half), probability, &halves.evidence(expected_half, &selectors))?;
        if !right {
            self.slots.prefetch(hashes, 0);
        }
        halves.update::<V>(expected_half, right, self.logistic);
        if !right {
            situation.excluded_half = Some(half);
            return Ok(1);
        }
        for model in matches {
            model.keep_if(|predicted| predicted >> 4 == half >> 4);
        }
        Ok(partial)
    }

    /// Codes the bits of a byte of which `partial` is known.
    #[inline(always)]
    fn code_bits<V: Vector>(
        &mut self,
        mut partial: usize,
        situation: &mut Situation,
        network: Option<&Distribution>,
        code: &mut impl Answers,
    ) -> Result<u8> {
        for half in usize::from(partial > 1)..2 {
            let salt = if half == 0 { 0 } else { partial };
            self.slots.find_all(&mut situation.present.nibbles[half], &situation.hashes, salt);
            self.slots.open::<V>(&mut situation.present.nibbles[half]);
            for bit_index in half * 4..half * 4 + 4 {
                if bit_index == 3 {
                    self.slots.prefetch(&situation.hashes, partial * 2);
                    self.slots.prefetch(&situation.hashes, partial * 2 + 1);
                }
                let probability = self.predict::<V>(situation, network, partial, bit_index);
                let bit = code.answer(Decision::Bit(bit_index), probability, &self.evidence(situation, partial))?;
                self.update::<V>(situation, bit, bit_index);
                partial = partial * 2 + usize::from(bit);
            }
            if half == 0 {
                self.slots.close::<V>(&situation.present.nibbles[0]);
            }
        }
        Ok(partial as u8)
    }

    #[inline(always)]
    fn predict<V: Vector>(
        &self,
        situation: &mut Situation,
        network: Option<&Distribution>,
        partial: usize,
        bit_index: usize,
    ) -> u16 {
        let logistic = self.logistic;
        let said = network.map(|network| network.stretch(partial));
        let (others, network_cell) = self.others(situation, said, partial, bit_index);
        let classes = classes(&situation.matches);
        let begins = |byte: Option<u8>| byte.map_or(0, |byte| 256 | usize::from(byte)) >> (8 - bit_index) == partial;
        let excluding = begins(situation.excluded) | (bit_index < 4 && begins(situation.excluded_half));
        let final_set = if excluding { FINAL_SETS - 8 + bit_index } else { situation.trail.final_set() };
        situation.present.network_cell = network_cell;
        let Present { nibbles, inputs, states, selection, cells, .. } = &mut situation.present;
        let nibble = &mut nibbles[bit_index / 4];
        self.mixers.select(selection, 0, situation.trail.selectors(partial, bit_index, classes, excluding));
        if self.eight_mixers {
            let counts = nibble.counts(self.counted);
            self.mixers.select(selection, 1, situation.trail.more_selectors(bit_index, counts));
        }
        self.mixers.select_last(selection, final_set);

        let (odds, more) = inputs.split_at_mut(self.groups);
        nibble.read::<V>(odds);
        self.states.predict::<V>(states, nibble.slots(), more);
        match self.others_start {
            0 => inputs[self.rows - 1] = others,
            _ => {
                let own = V::load(&inputs[0]).and(V::load(&FEW_PLACES));
                own.add(V::load(&others)).store(&mut inputs[0]);
            }
        }
        let contexts = final_contexts(&situation.trail, partial);
        self.maps.prefetch(contexts);
        let octaves = self.mixers.mix::<V>(selection, &inputs[..self.rows]);
        self.maps.refine(cells, contexts, octaves, logistic)
    }

    /// What the present bit's probability was made from.
    #[inline(always)]
    fn evidence<'a>(&'a self, situation: &'a Situation, partial: usize) -> Evidence<'a> {
        let Present { inputs, selection, .. } = &situation.present;
        let contexts = final_contexts(&situation.trail, partial);
        Evidence::Mixed(Mixed {
            mixers: &self.mixers,
            selection,
            inputs: &inputs[..self.rows],
            contexts,
            kind: DecisionKind::Bit,
            groups: self.groups,
            others_start: self.others_start,
        })
    }

    /// The inputs that come from no slot: the match models', those of the log-odds that the network `said`, and the bias. And the
    /// cell of the network's map, if it is asked.
    #[inline(always)]
    fn others(
        &self,
        situation: &Situation,
        said: Option<i32>,
        partial: usize,
        bit_index: usize,
    ) -> (Row, Option<usize>) {
        let matched =
            |index: usize| situation.matches[index].inputs(&self.match_tables[index], bit_index, self.logistic);
        let [first, second, third] = [matched(0), matched(1), matched(2)];
        let octaves = said.unwrap_or(0);
        let mut inputs = [first.0, first.1, second.0, second.1, third.0, third.1, octaves, 256];
        let mut row = [0; WIDTH];
        if self.others_start > 0 {
            row[FEW..].copy_from_slice(&inputs);
            return (Row(row), None);
        }
        let distance = said.map_or(0, |octaves| (self.logistic.squash(octaves) as i32 - (1 << 15)) >> 4);
        inputs[NETWORK_INPUT + 1] = distance;
        row[..BIAS_INPUT].copy_from_slice(&inputs);
        row[BIAS_INPUT] = 256;
        row[NUMBER_INPUTS].copy_from_slice(&situation.outlook.stretch(partial));
        let (Some(octaves), Some(map)) = (said, &self.network_map) else { return (Row(row), None) };
        let (probability, cell) = map.refine(network_context(&situation.trail, partial), octaves);
        row[NETWORK_MAP_INPUT] = self.logistic.stretch(probability);
        (Row(row), Some(cell))
    }

    #[inline(always)]
    fn update<V: Vector>(&mut self, situation: &mut Situation, bit: bool, bit_index: usize) {
        let Present { nibbles, inputs, states, selection, network_cell, cells, .. } = &mut situation.present;
        let nibble = &mut nibbles[bit_index / 4];
        self.maps.update(cells, bit);
        if let (Some(map), Some(cell)) = (&mut self.network_map, *network_cell) {
            map.update(cell, bit);
        }
        self.mixers.update::<V>(selection, &inputs[..self.rows], bit, self.logistic);
        for (model, table) in situation.matches.iter_mut().zip(&mut self.match_tables) {
            model.update(table, bit, bit_index);
        }
        self.states.update::<V>(states, bit);
        self.slots.update::<V>(nibble, bit);
    }
}

/// The place in the last row of inputs from which on they come from no context: where contexts are few, they leave it room.
pub fn others_start(contexts: usize) -> usize {
    contexts % WIDTH
}

/// All ones for the contexts where they are few.
const FEW_PLACES: Row = {
    let mut row = Row::ZERO;
    let mut place = 0;
    while place < FEW {
        row.0[place] = -1;
        place += 1;
    }
    row
};

/// The contexts of the final maps for a bit.
#[inline(always)]
fn final_contexts(trail: &Trail, partial: usize) -> [usize; 2] {
    [trail.first_curve(), trail.final_curve()].map(|context| context << 8 | partial)
}

/// The context of the network's map for a bit.
#[inline(always)]
fn network_context(trail: &Trail, partial: usize) -> usize {
    (mix(trail.final_set() as u64, partial as u64) >> (64 - NETWORK_MAP_BITS)) as usize
}

impl Situation {
    /// That at a block's beginning.
    pub fn new(layout: &Layout, model: &Model) -> Self {
        let trail = Trail::new(layout);
        Self {
            cursor: layout.cursor(),
            asked: trail.asked_contexts(model.contexts, model.asked),
            trail,
            matches: [Match::default(); MATCHES],
            outlook: Outlook::default(),
            claim: Claim::default(),
            hashes: [0; CONTEXTS],
            excluded: None,
            excluded_half: None,
            places: Places::default(),
            voices: Voices::default(),
            trust_place: 0,
            present: Present::default(),
        }
    }

    /// Where the coming byte stands.
    #[inline(always)]
    pub fn position(&self) -> Position {
        self.cursor.position()
    }

    /// What the network, which has last predicted `previous`, is told about the coming byte.
    pub fn input(&self, previous: Option<u8>) -> Input {
        follower::input(&self.cursor, &self.trail, previous)
    }

    /// Takes note of the last byte of `history`, the block so far.
    #[inline(always)]
    pub fn advance(&mut self, model: &mut Model, history: &[u8]) {
        let byte = history[history.len() - 1];
        self.cursor.advance(history);
        self.trail.advance(&self.cursor, history);
        let keys = self.trail.match_keys(history);
        for (table, &key) in model.match_tables.iter().zip(&keys) {
            table.prefetch(key);
        }
        self.asked = self.trail.asked_contexts(model.contexts, model.asked);
        model.memories.prefetch(&self.asked);
        // While the memory brings what that has asked for.
        if let Some(numbers) = &mut model.numbers {
            numbers.advance(&mut self.outlook, &self.trail, byte);
        }
        for (index, key) in keys.into_iter().enumerate() {
            let table = &mut model.match_tables[index];
            self.matches[index].advance(byte, history, || {
                let found = table.find(key);
                if found == 0 {
                    return (0, 0);
                }
                // Keys of running text are verified; a field's key is trusted.
                let least = [16, 6, 0][index];
                if least == 0 {
                    return (found, 1);
                }
                let length = agreement(&history[..found], history);
                (found, if length >= least { length } else { 0 })
            });
            table.enter(key, history.len());
        }
    }
}

impl Default for Present {
    fn default() -> Self {
        Self {
            expected: Expected::default(),
            expected_half: Expected::default(),
            nibbles: [Nibble::default(), Nibble::default()],
            inputs: [Row::ZERO; INPUT_ROWS],
            states: [(Row::ZERO, Row::ZERO); GROUPS],
            selection: Selection::default(),
            network_cell: None,
            cells: [0; 2],
        }
    }
}
