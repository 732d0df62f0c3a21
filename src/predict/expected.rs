//! What is expected: before a byte's bits, one decision on whether it is the byte that a context or a match model has shown
//! to be likely; else, one on whether its upper half is a likely one. A predictable byte costs a single decision, and its
//! slots are left alone.

use super::apm::FinalMaps;
use super::beginnings::Section;
#[cfg(feature = "reports")]
use super::beginnings::{self, mean_odds};
use super::evidence::{DecisionKind, Evidence, Mixed};
use super::experts::{Experts, FINAL_SETS, Selectors, TRUST_PLACES};
use super::logistic::Logistic;
use super::matching::{LENGTHS, MATCHES};
use super::mixer::{Mixers, SELECTORS, Selection};
use super::model::others_start;
use super::numbers::GUIDES;
use super::slots;
use super::vector::{Row, Vector, WIDTH};

/// States of a remembered byte.
const STATES: usize = 1 << STATE_BITS;
const STATE_BITS: u32 = 8;
/// Tables of four voices that are asked together.
type Fours<const SIZE: usize> = [[i32; SIZE]; 4];
/// Where the chance starts above the order of voices and what they say.
const CHANCE_SHIFT: u32 = 13;
/// Of equals the first is heard.
const ORDERS: Voices = {
    let mut orders = [Row::ZERO; VOICE_ROWS];
    let mut voice = 0;
    while voice < VOICE_ROWS * WIDTH {
        orders[voice / WIDTH].0[voice % WIDTH] = ((VOICE_ROWS * WIDTH - 1 - voice) << 8) as i32;
        voice += 1;
    }
    orders
};

/// When something is expected, in 1/65536.
#[derive(Clone, Copy)]
pub struct Least {
    /// How likely it must be held to be.
    pub chance: u16,
    /// How often what was as likely must have been right at the place.
    pub trust: u16,
}

/// What is known in general of remembered bytes, but for their lowest `DROPPED` bits.
pub struct Expectations<const DROPPED: u32> {
    contexts: usize,
    least: Least,
    /// How often what was likely enough was right, by place, in 1/65536.
    trust: Vec<u16>,
    /// How often what a voice said in each state was right, per voice, in 1/65536; 0 in state 0.
    reliability: Vec<Fours<STATES>>,
    /// Slots for whether what is expected is right, by voice, whether it says that, and state.
    slots: Vec<Fours<{ 2 * STATES }>>,
    /// All ones for each voice.
    heard: Voices,
    mixers: Mixers,
    maps: FinalMaps,
}

/// What the contexts and then the match models say of the present byte: what [memories](super::memories) say, the
/// states of match models being their classes of length. Places without a voice are 0.
pub type Voices = [Row; VOICE_ROWS];

/// Rows of at most sixteen contexts and the match models.
const VOICE_ROWS: usize = 2;

/// What is expected.
#[derive(Clone, Default)]
pub struct Expected {
    /// A byte, or one of which only the upper bits count.
    byte: u8,
    place: usize,
    /// How likely it seemed.
    chance: u16,
    /// The voices' states, and how reliable those are.
    states: Voices,
    chances: Voices,
    /// The places of the voices' slots, and their contents.
    places: Voices,
    slots: Voices,
    inputs: Voices,
    selection: Selection,
    cells: [usize; 2],
}

impl<const DROPPED: u32> Expectations<DROPPED> {
    const KIND: DecisionKind = if DROPPED == 0 { DecisionKind::Byte } else { DecisionKind::Half };

    /// For these `experts`; the mixers and the chances begin with what the two sections say.
    #[inline(never)]
    pub fn new(
        contexts: usize,
        least: Least,
        experts: Experts,
        (weights, chances): &mut (Section, Section),
        logistic: &Logistic,
    ) -> Self {
        let voices = contexts + MATCHES;
        let beginning = weights.mixers(SELECTORS, voices.div_ceil(WIDTH));
        let mixers = Mixers::new(&beginning, &[experts.byte_selector_sizes()], FINAL_SETS, experts.settled_rate());
        let fours = voices.div_ceil(4);
        let (mut reliability, mut slots) = (vec![[[0; STATES]; 4]; fours], vec![[[0; 2 * STATES]; 4]; fours]);
        let mut tables = reliability.as_flattened_mut().iter_mut().zip(slots.as_flattened_mut());
        for (count, states) in [(contexts, STATES), (MATCHES, LENGTHS)] {
            let (mut chances_of, mut slots_of) = ([0i32; STATES], [0; 2 * STATES]);
            for (state, chance_of) in chances_of.iter_mut().enumerate().take(states) {
                let chance = chances.chance(1 << 14, logistic);
                // What has nothing to say is never heard.
                *chance_of = if state > 0 { chance as i32 } else { 0 };
            }
            for says in [0, STATES] {
                slots_of[says..says + states].fill_with(|| chances.slot(1 << 15, logistic));
            }
            for (reliability, slots) in tables.by_ref().take(count) {
                (*reliability, *slots) = (chances_of, slots_of);
            }
        }
        Self {
            contexts,
            least,
            trust: vec![60_000; TRUST_PLACES],
            reliability,
            slots,
            heard: std::array::from_fn(|row| {
                Row(std::array::from_fn(|place| -i32::from(row * WIDTH + place < voices)))
            }),
            mixers,
            maps: FinalMaps::new([256, 256], logistic),
        }
    }

    /// What has been learned that other files may begin with; the mixers' goes to `weights`.
    #[cfg(feature = "reports")]
    pub fn learned(&self, weights: &mut Vec<Option<i32>>, logistic: &Logistic) -> Vec<Option<i32>> {
        beginnings::add_weights(weights, &self.mixers.learned());
        let mut odds = Vec::new();
        for (voices, states) in [(0..self.contexts, STATES), (self.contexts..self.contexts + MATCHES, LENGTHS)] {
            for state in 0..states {
                let chances =
                    self.reliability.as_flattened()[voices.clone()].iter().map(|chances| chances[state] as u32);
                odds.push(mean_odds(chances.map(|chance| (chance, u32::from(chance != 1 << 14))), logistic));
            }
            for index in (0..states).chain(STATES..STATES + states) {
                let slots = self.slots.as_flattened()[voices.clone()].iter().map(|slots| slots::known(slots[index]));
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
    pub fn choose<V: Vector>(&self, expected: &mut Expected, voices: &Voices, place: usize) -> Option<u8> {
        let mut most = 0;
        let Expected { states, chances, .. } = expected;
        let rows = self.last_row() + 1;
        for (said, states) in voices.iter().zip(&mut *states).take(rows) {
            V::load(said).shift_right::<8>().store(states);
        }
        pick(&self.reliability, states, chances);
        for ((said, chances), order) in voices.iter().zip(chances).zip(&ORDERS).take(rows) {
            let (said, chances) = (V::load(said).and(V::splat(255)), V::load(chances));
            let mut ranked = Row::ZERO;
            chances.shift_left::<CHANCE_SHIFT>().or(V::load(order)).or(said).store(&mut ranked);
            most = ranked.0.into_iter().fold(most, i32::max);
        }
        let (byte, most) = (most as u8, (most >> CHANCE_SHIFT) as u16);
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
        let Expected { byte, chance, states, places, slots, inputs, selection, cells, .. } = expected;
        let (last, others) = (self.last_row(), others_start(self.contexts) + MATCHES);
        let mut agreeing = V::splat(0);
        let rows = voices.iter().zip(&self.heard).zip(states).zip(&mut *places);
        for (((said, heard), states), places) in rows.take(last + 1) {
            let agrees = Self::agrees(V::load(said), *byte);
            agreeing = agreeing.add(agrees.and(V::load(heard)));
            agrees.shift_left::<STATE_BITS>().or(V::load(states)).store(places);
        }
        pick(&self.slots, places, slots);
        for ((slots, heard), inputs) in slots[..=last].iter().zip(&self.heard).zip(&mut *inputs) {
            slots::stretch(V::load(slots)).and(V::load(heard)).store(inputs);
        }
        inputs[last].0[others..others + 2].copy_from_slice(&[network, 256]);
        inputs[last].0[others + 2..others + 2 + GUIDES].copy_from_slice(&guides);
        let [agreeing, ..] = V::sums([agreeing, V::splat(0), V::splat(0), V::splat(0)]);
        let doubt = usize::BITS - usize::from(u16::MAX - *chance).leading_zeros();
        let agreement = agreeing as usize * 4 + (11 - (doubt as usize).clamp(8, 11));
        let [first, second, third] = selectors.sets;
        self.mixers.select(selection, 0, [first, second, third, agreement]);
        self.mixers.select_last(selection, selectors.last_set);
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
        Evidence::Mixed(Mixed {
            mixers: &self.mixers,
            selection,
            inputs,
            contexts,
            kind: Self::KIND,
            groups,
            others_start,
        })
    }

    /// Learns whether what was expected was right.
    #[inline(always)]
    pub fn update<V: Vector>(&mut self, expected: &mut Expected, right: bool, logistic: &Logistic) {
        let last = self.last_row();
        let Expected { places, slots, inputs, selection, cells, .. } = expected;
        self.mixers.update::<V>(selection, &inputs[..=last], right, logistic);
        self.maps.update(cells, right);
        for slots in &mut slots[..=last] {
            slots::learn(V::load(slots), right).store(slots);
        }
        put(&mut self.slots, places, slots);
    }

    /// Learns how far those who could be asked were right: `byte` was coded.
    #[inline(always)]
    pub fn learn<V: Vector>(&mut self, expected: &mut Expected, voices: &Voices, byte: u8) {
        if expected.chance >= self.least.chance {
            let trust = &mut self.trust[expected.place];
            let target = if (expected.byte ^ byte) >> DROPPED == 0 { u16::MAX.into() } else { 0 };
            *trust = (i32::from(*trust) + ((target - i32::from(*trust)) >> 6)) as u16;
        }
        let Expected { states, chances, .. } = expected;
        for ((said, states), chances) in voices.iter().zip(&*states).zip(&mut *chances).take(self.last_row() + 1) {
            let target = Self::agrees(V::load(said), byte).mul(V::splat(u16::MAX.into()));
            let chance = V::load(chances);
            let moved = chance.add(target.sub(chance).shift_right::<6>());
            moved.mul(V::load(states).min(V::splat(1))).store(chances);
        }
        put(&mut self.reliability, states, chances);
    }

    /// 1 for each that said `byte`, as far as its bits count, else 0.
    #[inline(always)]
    fn agrees<V: Vector>(said: V, byte: u8) -> V {
        let symbols = said.and(V::splat(255)).shift_right::<DROPPED>();
        let byte = V::splat((byte >> DROPPED).into());
        V::splat(1).sub(symbols.sub(byte).max(byte.sub(symbols)).min(V::splat(1)))
    }

    /// The last row of inputs, in which those that come from no context stand, behind the contexts if they are few.
    #[inline(always)]
    fn last_row(&self) -> usize {
        self.contexts / WIDTH
    }
}

/// Finds what each voice's table has at its place.
#[inline(always)]
fn pick<const SIZE: usize>(tables: &[Fours<SIZE>], places: &mut Voices, found: &mut Voices) {
    let [places, found] = [places, found].map(|rows| Row::numbers_mut(rows).as_chunks_mut::<4>().0);
    for (tables, (places, found)) in tables.iter().zip(places.iter().zip(found)) {
        for index in 0..4 {
            found[index] = tables[index][places[index] as usize % SIZE];
        }
    }
}

/// Puts numbers into the voices' tables.
#[inline(always)]
fn put<const SIZE: usize>(tables: &mut [Fours<SIZE>], places: &mut Voices, numbers: &mut Voices) {
    let [places, numbers] = [places, numbers].map(|rows| Row::numbers_mut(rows).as_chunks_mut::<4>().0);
    for (tables, (places, numbers)) in tables.iter_mut().zip(places.iter().zip(numbers)) {
        for index in 0..4 {
            tables[index][places[index] as usize % SIZE] = numbers[index];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::beginnings::Beginnings;
    use crate::predict::memories::{Memories, Places};
    use crate::predict::vector::Portable;
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
                expectations: Expectations::new(WIDTH, least, experts, &mut sections, logistic::tables()),
                memories: Memories::new(12),
                expected: Expected::default(),
                places: Places::default(),
                voices: Voices::default(),
            }
        }

        fn choose(&mut self, place: usize) -> Option<u8> {
            self.memories.recall(&mut self.places, &mut self.voices[0], &[0; WIDTH]);
            self.expectations.choose::<Portable>(&mut self.expected, &self.voices, place)
        }

        fn see(&mut self, place: usize, byte: u8) {
            self.choose(place);
            self.expectations.learn::<Portable>(&mut self.expected, &self.voices, byte);
            self.memories.learn::<Portable>(&self.places, &self.voices[0], WIDTH, byte);
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
