//! What is expected: before a byte's bits, one decision on whether it is the byte that a context or a match model has shown
//! to be likely; else, one on whether its upper half is a likely one. A predictable byte costs a single decision, and its
//! slots are left alone.

use super::apm::FinalMaps;
use super::evidence::{DecisionKind, Evidence};
use super::experts::{FINAL_SETS, Selectors, TRUST_PLACES};
use super::logistic::Logistic;
use super::matching::{LENGTHS, MATCHES};
use super::memories::{Remembered, state, symbol};
use super::mixer::{Four, Mixers, ONE, Selection};
use super::numbers::GUIDES;
use super::slots::{self, GROUPS, lasting_rates};
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
    /// How often a byte in each state was right, per context, in 1/65536.
    reliability: Vec<[u16; STATES]>,
    /// The same for each match model's classes of length.
    match_reliability: [[u16; LENGTHS]; MATCHES],
    /// Slots for whether what is expected is right, by match model, whether it predicts that, and class.
    match_slots: [[[i32; LENGTHS]; 2]; MATCHES],
    /// The same by context, whether it has remembered that, and state.
    slots: Vec<[i32; 2 * STATES]>,
    rates: Row,
    mixers: Mixers,
    maps: FinalMaps,
}

/// What the contexts and match models of one lane say of its present byte.
#[derive(Clone)]
pub struct Voices {
    pub remembered: Remembered,
    /// The match models' predictions and classes.
    pub matches: [(Option<u8>, usize); MATCHES],
}

impl Default for Voices {
    fn default() -> Self {
        Self { remembered: Remembered::default(), matches: [(None, 0); MATCHES] }
    }
}

/// What one lane expects.
#[derive(Clone)]
pub struct Expected {
    /// A byte, or one of which only the upper bits count.
    byte: u8,
    place: usize,
    /// How likely it seemed.
    chance: u16,
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
            slots: [Row::ZERO; GROUPS + 1],
            inputs: [Row::ZERO; GROUPS + 1],
            selection: Selection::default(),
            cells: [0; 2],
        }
    }
}

impl<const DROPPED: u32> Expectations<DROPPED> {
    const KIND: DecisionKind = if DROPPED == 0 { DecisionKind::Byte } else { DecisionKind::Half };

    /// The mixers' `sizes` are as for [`Mixers::new`].
    pub fn new(contexts: usize, least: Least, sizes: Four<usize>, logistic: &Logistic) -> Self {
        let count = contexts + MATCHES;
        let weights: Vec<Row> = (0..count.div_ceil(WIDTH))
            .map(|row| Row(std::array::from_fn(|index| if row * WIDTH + index < count { ONE / 4 } else { 0 })))
            .collect();
        Self {
            contexts,
            least,
            trust: vec![60_000; TRUST_PLACES],
            reliability: vec![std::array::from_fn(|state| if state < 8 { 0 } else { 1 << 14 }); contexts],
            match_reliability: [[1 << 15; LENGTHS]; MATCHES],
            match_slots: [[[0; LENGTHS]; 2]; MATCHES],
            slots: vec![[0; 2 * STATES]; contexts],
            rates: lasting_rates(),
            mixers: Mixers::new(&weights, &[sizes], FINAL_SETS),
            maps: FinalMaps::new([256, 256], logistic),
        }
    }

    /// Whether anything will be expected at `place`, if it is likely enough.
    #[inline(always)]
    pub fn trusts(&self, place: usize) -> bool {
        self.trust[place] >= self.least.trust
    }

    /// What to expect at `place`, if anything is likely enough.
    #[inline(always)]
    pub fn choose(&self, expected: &mut Expected, voices: &Voices, place: usize) -> Option<u8> {
        let (mut byte, mut most) = (0, 0);
        for (reliability, &remembered) in self.reliability.iter().zip(&voices.remembered.values) {
            let chance = reliability[state(remembered)];
            if chance > most {
                (byte, most) = (symbol(remembered), chance);
            }
        }
        for (reliability, &(predicted, class)) in self.match_reliability.iter().zip(&voices.matches) {
            let chance = reliability[class];
            if let Some(predicted) = predicted.filter(|_| chance > most) {
                (byte, most) = (predicted, chance);
            }
        }
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
        let Expected { byte, slots: present, inputs, selection, cells, chance, .. } = expected;
        let last = self.last_row();
        let mut agreeing = 0;
        for (context, slots) in self.slots.iter().enumerate() {
            let slot = Self::slot(voices.remembered.values[context], *byte);
            agreeing += slot / STATES;
            present[context / WIDTH].0[context % WIDTH] = slots[slot];
        }
        let others = self.contexts % WIDTH;
        present[last].0[others..].fill(0);
        for ((slot, slots), &(predicted, class)) in
            present[last].0[others..].iter_mut().zip(&self.match_slots).zip(&voices.matches)
        {
            *slot = slots[Self::agrees(predicted, *byte)][class];
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
        let others_start = self.contexts % WIDTH;
        Evidence { mixers: &self.mixers, selection, inputs, contexts, kind: Self::KIND, groups, others_start }
    }

    /// Learns whether what was expected was right.
    #[inline(always)]
    pub fn update<V: Vector>(&mut self, expected: &mut Expected, voices: &Voices, right: bool, logistic: &Logistic) {
        let (last, others) = (self.last_row(), self.contexts % WIDTH);
        let Expected { byte, slots: present, inputs, selection, cells, .. } = expected;
        self.mixers.update::<V>(selection, &inputs[..=last], right, logistic);
        self.maps.update(cells, right);
        for slots in &mut present[..=last] {
            slots::learn(V::load(slots), right, &self.rates).store(slots);
        }
        for (context, slots) in self.slots.iter_mut().enumerate() {
            slots[Self::slot(voices.remembered.values[context], *byte)] = present[context / WIDTH].0[context % WIDTH];
        }
        for ((slot, slots), &(predicted, class)) in
            present[last].0[others..].iter().zip(&mut self.match_slots).zip(&voices.matches)
        {
            slots[Self::agrees(predicted, *byte)][class] = *slot;
        }
    }

    /// Learns how far those who could be asked were right: `byte` was coded.
    #[inline(always)]
    pub fn learn(&mut self, expected: &Expected, voices: &Voices, byte: u8) {
        let is_right = |said: u8| (said ^ byte) >> DROPPED == 0;
        if expected.chance >= self.least.chance {
            move_towards(&mut self.trust[expected.place], is_right(expected.byte));
        }
        for (reliability, &remembered) in self.reliability.iter_mut().zip(&voices.remembered.values) {
            if remembered != 0 {
                move_towards(&mut reliability[state(remembered)], is_right(symbol(remembered)));
            }
        }
        for (reliability, model) in self.match_reliability.iter_mut().zip(&voices.matches) {
            if let &(Some(predicted), class) = model {
                move_towards(&mut reliability[class], is_right(predicted));
            }
        }
    }

    /// The last row of inputs, in which those that come from no context stand, behind the contexts if they are few.
    #[inline(always)]
    fn last_row(&self) -> usize {
        self.contexts / WIDTH
    }

    /// The slot of a context for what is expected of `byte`: the upper half is for those that have remembered it.
    #[inline(always)]
    fn slot(remembered: u32, byte: u8) -> usize {
        usize::from((symbol(remembered) ^ byte) >> DROPPED == 0) * STATES + state(remembered)
    }

    /// 1 if a match model predicts what is expected of `byte`.
    #[inline(always)]
    fn agrees(predicted: Option<u8>, byte: u8) -> usize {
        usize::from(predicted.is_some_and(|predicted| (predicted ^ byte) >> DROPPED == 0))
    }
}

#[inline(always)]
fn move_towards(chance: &mut u16, right: bool) {
    if right {
        *chance += (u16::MAX - *chance) >> 6;
    } else {
        *chance -= *chance >> 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::logistic;
    use crate::predict::memories::Memories;

    /// Contexts that see bytes at places, always after the same.
    struct Seeing {
        expectations: Expectations<0>,
        memories: Memories,
        expected: Expected,
        voices: Voices,
    }

    impl Seeing {
        fn new() -> Self {
            let least = Least { chance: 60_000, trust: 50_000 };
            Self {
                expectations: Expectations::new(WIDTH, least, [256; 4], logistic::tables()),
                memories: Memories::new(12),
                expected: Expected::default(),
                voices: Voices::default(),
            }
        }

        fn choose(&mut self, place: usize) -> Option<u8> {
            self.memories.recall(&mut self.voices.remembered, &[0; WIDTH]);
            self.expectations.choose(&mut self.expected, &self.voices, place)
        }

        fn see(&mut self, place: usize, byte: u8) {
            self.choose(place);
            self.expectations.learn(&self.expected, &self.voices, byte);
            self.memories.learn(&self.voices.remembered, byte, WIDTH);
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
