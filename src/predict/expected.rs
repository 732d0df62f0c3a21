//! What is expected: before a byte's bits, one decision on whether it is the byte that a context or a match model has shown
//! to be likely; else, one on whether its upper half is a likely one. A predictable byte costs a single decision, and its
//! slots are left alone.

use super::apm::FinalMaps;
use super::beginnings::Section;
#[cfg(feature = "reports")]
use super::beginnings::{self, mean_odds};
use super::evidence::{DecisionKind, Evidence};
use super::experts::{FINAL_SETS, Selectors, TRUST_PLACES};
use super::logistic::Logistic;
use super::matching::{LENGTHS, MATCHES};
use super::memories::{state, symbol};
use super::mixer::{Four, Mixers, SELECTORS, Selection};
use super::model::others_start;
use super::numbers::GUIDES;
use super::slots::{self, CONTEXTS, GROUPS, lasting_rates};
use super::vector::{Row, Vector, WIDTH};

/// States of a remembered byte.
const STATES: usize = 256;

/// When something is expected, in 1/65536.
#[derive(Clone, Copy)]
pub struct Least {
    /// How likely it must be held to be.
    pub chance: u16,
    /// How often what was as likely must have been right at the place.
    pub trust: u16,
}

/// What is known in general of remembered bytes, but for their lowest `DROPPED` bits; shared by the lanes.
pub struct Expectations<const DROPPED: u32> {
    contexts: usize,
    least: Least,
    /// How often what was likely enough was right, by place, in 1/65536.
    trust: Vec<u16>,
    /// How often what a voice said in each state was right, per voice, in 1/65536; 0 in state 0.
    reliability: Vec<[u16; STATES]>,
    /// Slots for whether what is expected is right, by voice, whether it says that, and state.
    slots: Vec<[i32; 2 * STATES]>,
    rates: Row,
    mixers: Mixers,
    maps: FinalMaps,
}

/// What the contexts and then the match models of one lane say of its present byte: what [memories](super::memories) say, the
/// states of match models being their classes of length.
pub type Voices = [u32; VOICES];

/// Contexts and match models at most.
pub const VOICES: usize = CONTEXTS + MATCHES;

/// What one lane expects.
#[derive(Clone)]
pub struct Expected {
    /// A byte, or one of which only the upper bits count.
    byte: u8,
    place: usize,
    /// How likely it seemed.
    chance: u16,
    /// The places of the voices' slots, and their contents.
    places: [u16; VOICES],
    slots: [Row; GROUPS + 1],
    inputs: [Row; GROUPS + 1],
    selection: Selection,
    cells: [usize; 2],
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            byte: 0,
            place: 0,
            chance: 0,
            places: [0; VOICES],
            slots: [Row::ZERO; GROUPS + 1],
            inputs: [Row::ZERO; GROUPS + 1],
            selection: Selection::default(),
            cells: [0; 2],
        }
    }
}

impl<const DROPPED: u32> Expectations<DROPPED> {
    const KIND: DecisionKind = if DROPPED == 0 { DecisionKind::Byte } else { DecisionKind::Half };

    /// The mixers' `sizes` are as for [`Mixers::new`]; they and the chances begin with what the two sections say.
    #[inline(never)]
    pub fn new(
        contexts: usize,
        least: Least,
        sizes: Four<usize>,
        (weights, chances): &mut (Section, Section),
        logistic: &Logistic,
    ) -> Self {
        let voices = contexts + MATCHES;
        let mixers = Mixers::new(&weights.mixers(SELECTORS, voices.div_ceil(WIDTH)), &[sizes], FINAL_SETS);
        let (mut reliability, mut slots) = (Vec::new(), Vec::new());
        for (count, states) in [(contexts, STATES), (MATCHES, LENGTHS)] {
            let (mut chances_of, mut slots_of) = ([0; STATES], [0; 2 * STATES]);
            for (state, chance_of) in chances_of.iter_mut().enumerate().take(states) {
                let chance = chances.chance(1 << 14, logistic);
                // What has nothing to say is never heard.
                *chance_of = if state > 0 { chance as u16 } else { 0 };
            }
            for says in [0, STATES] {
                slots_of[says..says + states].fill_with(|| chances.slot(1 << 15, logistic));
            }
            reliability.extend(vec![chances_of; count]);
            slots.extend(vec![slots_of; count]);
        }
        Self {
            contexts,
            least,
            trust: vec![60_000; TRUST_PLACES],
            reliability,
            slots,
            rates: lasting_rates(),
            mixers,
            maps: FinalMaps::new([256, 256], logistic),
        }
    }

    /// What has been learned that other files may begin with; the mixers' goes to `weights`.
    #[cfg(feature = "reports")]
    pub fn learned(&self, weights: &mut Vec<Option<i32>>, logistic: &Logistic) -> Vec<Option<i32>> {
        beginnings::add_weights(weights, &self.mixers.learned());
        let mut odds = Vec::new();
        for (voices, states) in [(0..self.contexts, STATES), (self.contexts..self.slots.len(), LENGTHS)] {
            for state in 0..states {
                let chances = self.reliability[voices.clone()].iter().map(|chances| u32::from(chances[state]));
                odds.push(mean_odds(chances.map(|chance| (chance, u32::from(chance != 1 << 14))), logistic));
            }
            for index in (0..states).chain(STATES..STATES + states) {
                let slots = self.slots[voices.clone()].iter().map(|slots| slots::known(slots[index]));
                odds.push(mean_odds(slots, logistic));
            }
        }
        odds
    }

    /// Whether anything will be expected at `place`, if it is likely enough.
    #[inline(always)]
    pub fn trusts(&self, place: usize) -> bool {
        self.trust[place] >= self.least.trust
    }

    /// What to expect at `place`, if anything is likely enough.
    #[inline(always)]
    pub fn choose(&self, expected: &mut Expected, voices: &Voices, place: usize) -> Option<u8> {
        let mut most = 0;
        for ((index, reliability), &said) in self.reliability.iter().enumerate().zip(voices) {
            // The first of equals, and what it says.
            let chance = u32::from(reliability[state(said)]);
            let order = (VOICES - index) as u32;
            most = most.max(chance << 16 | order << 8 | u32::from(symbol(said)));
        }
        let (byte, most) = (symbol(most), (most >> 16) as u16);
        (expected.byte, expected.chance, expected.place) = (byte, most, place);
        (most >= self.least.chance && self.trusts(place)).then_some(byte >> DROPPED << DROPPED)
    }

    /// The probability in 1/65536 that what is expected is right; `network` is its log-odds by the network, or 0, and
    /// `guides` those by what guides to numbers say.
    #[inline(always)]
    pub fn predict<V: Vector>(
        &self,
        expected: &mut Expected,
        voices: &Voices,
        network: i32,
        guides: [i32; GUIDES],
        selectors: &Selectors,
        logistic: &Logistic,
    ) -> u16 {
        let Expected { byte, slots: present, places, inputs, selection, cells, chance, .. } = expected;
        let (last, others) = (self.last_row(), others_start(self.contexts));
        let mut agreeing = 0;
        let slots = Row::numbers_mut(present).iter_mut().zip(&self.slots);
        for ((slot, table), (&said, place)) in slots.zip(voices.iter().zip(places)) {
            let agrees = usize::from((symbol(said) ^ *byte) >> DROPPED == 0);
            let index = agrees * STATES + state(said);
            agreeing += agrees;
            *place = index as u16;
            *slot = table[index];
        }
        let doubt = usize::BITS - usize::from(u16::MAX - *chance).leading_zeros();
        let agreement = agreeing * 4 + (11 - (doubt as usize).clamp(8, 11));
        let [first, second, third] = selectors.sets;
        self.mixers.select(selection, 0, [first, second, third, agreement]);
        self.mixers.select_last(selection, selectors.last_set);
        for (present, input) in present[..=last].iter().zip(&mut inputs[..]) {
            slots::stretch(V::load(present)).store(input);
        }
        let inputs_of_others = &mut inputs[last].0[others..];
        inputs_of_others[MATCHES..].fill(0);
        inputs_of_others[MATCHES..MATCHES + 2].copy_from_slice(&[network, 256]);
        inputs_of_others[Self::KIND.number_inputs()].copy_from_slice(&guides);
        let octaves = self.mixers.mix::<V>(selection, &inputs[..=last]);
        self.maps.refine(cells, [usize::from(*byte >> DROPPED), selectors.last_curve], octaves, logistic)
    }

    /// What the last probability was made from.
    #[inline(always)]
    pub fn evidence<'a>(&'a self, expected: &'a Expected, selectors: &Selectors) -> Evidence<'a> {
        let Expected { byte, inputs, selection, .. } = expected;
        let contexts = [usize::from(*byte >> DROPPED), selectors.last_curve];
        let (inputs, groups) = (&inputs[..=self.last_row()], self.contexts.div_ceil(WIDTH));
        let others_start = others_start(self.contexts);
        Evidence { mixers: &self.mixers, selection, inputs, contexts, kind: Self::KIND, groups, others_start }
    }

    /// Learns whether what was expected was right.
    #[inline(always)]
    pub fn update<V: Vector>(&mut self, expected: &mut Expected, right: bool, logistic: &Logistic) {
        let last = self.last_row();
        let Expected { slots: present, places, inputs, selection, cells, .. } = expected;
        self.mixers.update::<V>(selection, &inputs[..=last], right, logistic);
        self.maps.update(cells, right);
        for slots in &mut present[..=last] {
            slots::learn(V::load(slots), right, &self.rates).store(slots);
        }
        for ((table, &place), &mut slot) in self.slots.iter_mut().zip(&*places).zip(Row::numbers_mut(present)) {
            table[usize::from(place) % (2 * STATES)] = slot;
        }
    }

    /// Learns how far those who could be asked were right: `byte` was coded.
    #[inline(always)]
    pub fn learn(&mut self, expected: &Expected, voices: &Voices, byte: u8) {
        let is_right = |said: u8| (said ^ byte) >> DROPPED == 0;
        if expected.chance >= self.least.chance {
            let trust = &mut self.trust[expected.place];
            *trust = moved(*trust, is_right(expected.byte));
        }
        for (reliability, &said) in self.reliability.iter_mut().zip(voices) {
            let chance = &mut reliability[state(said)];
            let moved = moved(*chance, is_right(symbol(said)));
            *chance = if state(said) > 0 { moved } else { 0 };
        }
    }

    /// The last row of inputs, in which those that come from no context stand, behind the contexts if they are few.
    #[inline(always)]
    fn last_row(&self) -> usize {
        self.contexts / WIDTH
    }
}

/// A chance after what it is of was right or not.
#[inline(always)]
fn moved(chance: u16, right: bool) -> u16 {
    let target = if right { i32::from(u16::MAX) } else { 0 };
    (i32::from(chance) + ((target - i32::from(chance)) >> 6)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::beginnings::Beginnings;
    use crate::predict::experts::Experts;
    use crate::predict::memories::{Memories, Places};
    use crate::predict::{Effort, logistic};

    /// Contexts that see bytes at places, always after the same.
    struct Seeing {
        expectations: Expectations<0>,
        memories: Memories,
        expected: Expected,
        places: Places,
        voices: Voices,
    }

    impl Seeing {
        fn new() -> Self {
            let least = Least { chance: 60_000, trust: 50_000 };
            let (experts, effort) = (Experts::Text, Effort::Quick);
            let mut sections = (Beginnings::OURS.mixers(experts, effort), Beginnings::OURS.chances(experts));
            Self {
                expectations: Expectations::new(WIDTH, least, [256; 4], &mut sections, logistic::tables()),
                memories: Memories::new(12),
                expected: Expected::default(),
                places: Places::default(),
                voices: [0; VOICES],
            }
        }

        fn choose(&mut self, place: usize) -> Option<u8> {
            self.memories.recall(&mut self.places, &mut self.voices, &[0; WIDTH]);
            self.expectations.choose(&mut self.expected, &self.voices, place)
        }

        fn see(&mut self, place: usize, byte: u8) {
            self.choose(place);
            self.expectations.learn(&self.expected, &self.voices, byte);
            self.memories.learn(&self.places, &self.voices[..WIDTH], byte);
        }
    }

    #[test]
    fn a_byte_is_expected_once_contexts_that_were_as_sure_have_been_right() {
        let mut seeing = Seeing::new();
        assert_eq!(seeing.choose(0), None);
        (0..1000).for_each(|_| seeing.see(0, b'x'));
        assert_eq!(seeing.choose(0), Some(b'x'));
        (0..=255).cycle().take(3000).for_each(|byte| seeing.see(0, byte));
        assert_eq!(seeing.choose(0), None);
    }

    #[test]
    fn a_likely_byte_is_expected_only_where_such_bytes_have_been_right() {
        let mut seeing = Seeing::new();
        for step in 0..20_000 {
            if step % 50 == 0 { seeing.see(1, b'y') } else { seeing.see(0, b'x') }
        }
        assert_eq!(seeing.choose(0), Some(b'x'));
        assert_eq!(seeing.choose(1), None);
    }
}
