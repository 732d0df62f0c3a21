//! The expected byte: before a byte's bits, one decision on whether it is the byte that a context or a match model has
//! shown to be likely. A predictable byte costs a single decision, and its slots are left alone.
//!
//! Each context's line for the first nibble remembers, above its check, the byte that last followed and a state: how sure
//! it has become of that byte, and whether it was right the last three times.

use super::apm::FinalMaps;
use super::evidence::Evidence;
use super::experts::{FINAL_SETS, Selectors, TRUST_PLACES};
use super::logistic::Logistic;
use super::matching::{LENGTHS, MATCHES, Match};
use super::mixer::{Four, Mixers, ONE, Selection};
use super::numbers::GUIDES;
use super::slots::{self, CONTEXTS, GROUPS, falling_rates};
use super::vector::{Row, Vector, WIDTH};

/// States of a remembered byte.
const STATES: usize = 256;
/// Sureness is at most this.
const SURE: u32 = 31;

/// When a byte is expected, in 1/65536.
#[derive(Clone, Copy)]
pub struct Least {
    /// How likely it must be held to be.
    pub chance: u16,
    /// How often such bytes must have been right at the place.
    pub trust: u16,
}

/// What is known of remembered bytes in general, shared by the lanes.
pub struct Expectations {
    contexts: usize,
    least: Least,
    /// How often the likeliest byte was right where it was likely enough, by place, in 1/65536.
    trust: Vec<u16>,
    /// How often a byte in each state was right, per context, in 1/65536.
    reliability: Vec<[u16; STATES]>,
    /// The same for each match model's classes of length.
    match_reliability: [[u16; LENGTHS]; MATCHES],
    /// Slots for whether the expected byte is right, by match model, whether it predicts that byte, and class.
    match_slots: [[[i32; LENGTHS]; 2]; MATCHES],
    /// The same by context, whether it has remembered that byte, and state.
    slots: Vec<[i32; 2 * STATES]>,
    rates: Row,
    mixers: Mixers,
    maps: FinalMaps,
}

/// What one lane expects of its present byte.
#[derive(Clone)]
pub struct Expected {
    byte: u8,
    place: usize,
    /// Each context's remembered byte below its state, 0 if there is none.
    remembered: [u32; CONTEXTS],
    /// The match models' predictions and classes.
    matches: [(Option<u8>, usize); MATCHES],
    present: [Row; GROUPS + 1],
    /// How likely the byte seemed.
    chance: u16,
    inputs: [Row; GROUPS + 1],
    selection: Selection,
    cells: [usize; 2],
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            byte: 0,
            place: 0,
            remembered: [0; CONTEXTS],
            matches: [(None, 0); MATCHES],
            present: [Row::ZERO; GROUPS + 1],
            chance: 0,
            inputs: [Row::ZERO; GROUPS + 1],
            selection: Selection::default(),
            cells: [0; 2],
        }
    }
}

impl Expectations {
    /// The mixers' `sizes` are as for [`Mixers::new`].
    pub fn new(contexts: usize, least: Least, sizes: Four<usize>, logistic: &Logistic) -> Self {
        let groups = contexts / WIDTH;
        let mut weights = vec![Row([ONE / 4; WIDTH]); groups];
        weights.push(Row(std::array::from_fn(|index| if index < MATCHES { ONE / 4 } else { 0 })));
        Self {
            contexts,
            least,
            trust: vec![60_000; TRUST_PLACES],
            reliability: vec![std::array::from_fn(|state| if state < 8 { 0 } else { 1 << 14 }); contexts],
            match_reliability: [[1 << 15; LENGTHS]; MATCHES],
            match_slots: [[[0; LENGTHS]; 2]; MATCHES],
            slots: vec![[0; 2 * STATES]; contexts],
            rates: rates(),
            mixers: Mixers::new(&weights, &[sizes], FINAL_SETS),
            maps: FinalMaps::new([256, 256], logistic),
        }
    }

    /// The byte to expect at `place`, if one is likely enough.
    #[inline(always)]
    pub fn choose(&self, expected: &mut Expected, matches: &[Match; MATCHES], place: usize) -> Option<u8> {
        expected.matches = matches.each_ref().map(|model| (model.predicted(), model.class()));
        let (mut byte, mut most) = (0, 0);
        for (reliability, &remembered) in self.reliability.iter().zip(&expected.remembered) {
            let chance = reliability[state(remembered)];
            if chance > most {
                (byte, most) = (symbol(remembered), chance);
            }
        }
        for (reliability, model) in self.match_reliability.iter().zip(expected.matches) {
            let (predicted, class) = model;
            let chance = reliability[class];
            if let Some(predicted) = predicted.filter(|_| chance > most) {
                (byte, most) = (predicted, chance);
            }
        }
        (expected.byte, expected.chance, expected.place) = (byte, most, place);
        (most >= self.least.chance && self.trust[place] >= self.least.trust).then_some(byte)
    }

    /// The probability in 1/65536 that the expected byte is right; `network` is its log-odds by the network, or 0, and
    /// `guides` those by what guides to numbers say.
    #[inline(always)]
    pub fn predict<V: Vector>(
        &self,
        expected: &mut Expected,
        network: i32,
        guides: [i32; GUIDES],
        selectors: &Selectors,
        logistic: &Logistic,
    ) -> u16 {
        let Expected { byte, remembered, matches, present, inputs, selection, cells, chance, .. } = expected;
        let groups = self.contexts / WIDTH;
        let mut agreeing = 0;
        for (context, slots) in self.slots.iter().enumerate() {
            let slot = slot(remembered[context], *byte);
            agreeing += slot / STATES;
            present[context / WIDTH].0[context % WIDTH] = slots[slot];
        }
        present[groups] = Row::ZERO;
        for ((slot, slots), (predicted, class)) in present[groups].0.iter_mut().zip(&self.match_slots).zip(matches) {
            *slot = slots[usize::from(*predicted == Some(*byte))][*class];
        }
        let doubt = usize::BITS - usize::from(u16::MAX - *chance).leading_zeros();
        let agreement = agreeing * 4 + (11 - (doubt as usize).clamp(8, 11));
        let [first, second, third] = selectors.sets;
        self.mixers.select(selection, 0, [first, second, third, agreement]);
        self.mixers.select_last(selection, selectors.last_set);
        for (present, input) in present[..=groups].iter().zip(&mut inputs[..]) {
            slots::stretch(V::load(present)).store(input);
        }
        inputs[groups].0[MATCHES..].fill(0);
        inputs[groups].0[MATCHES..MATCHES + 2].copy_from_slice(&[network, 256]);
        inputs[groups].0[MATCHES + 2..MATCHES + 2 + GUIDES].copy_from_slice(&guides);
        let octaves = self.mixers.mix::<V>(selection, &inputs[..=groups]);
        self.maps.refine(cells, [usize::from(*byte), selectors.last_curve], octaves, logistic)
    }

    /// What the last probability was made from.
    #[inline(always)]
    pub fn evidence<'a>(&'a self, expected: &'a Expected, selectors: &Selectors) -> Evidence<'a> {
        let Expected { byte, inputs, selection, .. } = expected;
        let groups = self.contexts / WIDTH;
        let contexts = [usize::from(*byte), selectors.last_curve];
        Evidence { mixers: &self.mixers, selection, inputs: &inputs[..=groups], contexts, is_bit: false, groups }
    }

    /// Learns whether the expected byte was right.
    #[inline(always)]
    pub fn update<V: Vector>(&mut self, expected: &mut Expected, right: bool, logistic: &Logistic) {
        let Expected { byte, remembered, matches, present, inputs, selection, cells, .. } = expected;
        let groups = self.contexts / WIDTH;
        self.mixers.update::<V>(selection, &inputs[..=groups], right, logistic);
        self.maps.update(cells, right);
        for slots in &mut present[..=groups] {
            slots::learn(V::load(slots), right, &self.rates).store(slots);
        }
        for (context, slots) in self.slots.iter_mut().enumerate() {
            slots[slot(remembered[context], *byte)] = present[context / WIDTH].0[context % WIDTH];
        }
        for ((slot, slots), (predicted, class)) in present[groups].0.iter().zip(&mut self.match_slots).zip(matches) {
            slots[usize::from(*predicted == Some(*byte))][*class] = *slot;
        }
    }

    /// Learns from the byte that was coded, and moves the remembered bytes on.
    #[inline(always)]
    pub fn learn(&mut self, expected: &mut Expected, byte: u8) {
        if expected.chance >= self.least.chance {
            move_towards(&mut self.trust[expected.place], expected.byte == byte);
        }
        for (reliability, remembered) in self.reliability.iter_mut().zip(&mut expected.remembered) {
            let right = symbol(*remembered) == byte;
            let chance = &mut reliability[state(*remembered)];
            if *remembered != 0 {
                move_towards(chance, right);
            }
            *remembered = next(*remembered, byte);
        }
        for (reliability, model) in self.match_reliability.iter_mut().zip(expected.matches) {
            if let (Some(predicted), class) = model {
                move_towards(&mut reliability[class], predicted == byte);
            }
        }
    }
}

impl Expected {
    /// What the contexts' lines remember, a byte below its state, 0 if nothing.
    #[inline(always)]
    pub fn remembered(&mut self) -> &mut [u32; CONTEXTS] {
        &mut self.remembered
    }
}

/// The rates of slots that see very many decisions.
fn rates() -> Row {
    let mut rates = falling_rates(63);
    rates.0[14] = 2;
    rates
}

#[inline(always)]
fn symbol(remembered: u32) -> u8 {
    remembered as u8
}

/// The sureness, 0 to [`SURE`], above the last three outcomes.
#[inline(always)]
fn state(remembered: u32) -> usize {
    (remembered >> 8 & 255) as usize
}

/// The slot of a context for the expected byte `byte`: the upper half is for those that have remembered it.
#[inline(always)]
fn slot(remembered: u32, byte: u8) -> usize {
    usize::from(symbol(remembered) == byte) * STATES + state(remembered)
}

#[inline(always)]
fn move_towards(chance: &mut u16, right: bool) {
    if right {
        *chance += (u16::MAX - *chance) >> 6;
    } else {
        *chance -= *chance >> 6;
    }
}

/// What is remembered after `byte` followed.
#[inline(always)]
fn next(remembered: u32, byte: u8) -> u32 {
    let (sureness, outcomes) = (remembered >> 11, remembered >> 8 & 7);
    if sureness == 0 {
        return 1 << 11 | 7 << 8 | u32::from(byte);
    }
    let right = symbol(remembered) == byte;
    let outcomes = (outcomes << 1 | u32::from(right)) & 7;
    let (sureness, byte) = match right {
        true => ((sureness + 1).min(SURE), byte),
        false if sureness <= 2 => (1, byte),
        false => (sureness / 2, symbol(remembered)),
    };
    sureness << 11 | outcomes << 8 | u32::from(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::logistic;

    /// What is remembered after `bytes` followed, as byte, sureness and outcomes.
    fn after(bytes: &[u8]) -> (u8, u32, u32) {
        let remembered = bytes.iter().fold(0, |remembered, &byte| next(remembered, byte));
        (symbol(remembered), remembered >> 11, remembered >> 8 & 7)
    }

    #[test]
    fn a_context_is_slow_to_give_up_a_byte_that_it_is_sure_of() {
        assert_eq!(after(b"a"), (b'a', 1, 7));
        assert_eq!(after(b"ab"), (b'b', 1, 6));
        assert_eq!(after(b"aaaaaaaab"), (b'a', 4, 6));
        assert_eq!(after(b"aaaaaaaabb"), (b'a', 2, 4));
        assert_eq!(after(b"aaaaaaaabbb"), (b'b', 1, 0));
        assert_eq!(after(&[b'a'; 100]), (b'a', SURE, 7));
    }

    #[test]
    fn a_byte_is_expected_once_contexts_that_were_as_sure_have_been_right() {
        let least = Least { chance: 60_000, trust: 50_000 };
        let mut expectations = Expectations::new(WIDTH, least, [256; 4], logistic::tables());
        let (mut expected, matches) = (Expected::default(), [Match::default(); MATCHES]);
        assert_eq!(expectations.choose(&mut expected, &matches, 0), None);
        for _ in 0..1000 {
            expectations.choose(&mut expected, &matches, 0);
            expectations.learn(&mut expected, b'x');
        }
        assert_eq!(expectations.choose(&mut expected, &matches, 0), Some(b'x'));
        for byte in (0..=255).cycle().take(3000) {
            expectations.choose(&mut expected, &matches, 0);
            expectations.learn(&mut expected, byte);
        }
        assert_eq!(expectations.choose(&mut expected, &matches, 0), None);
    }
    #[test]
    fn a_likely_byte_is_expected_only_where_such_bytes_have_been_right() {
        let least = Least { chance: 60_000, trust: 60_000 };
        let mut expectations = Expectations::new(WIDTH, least, [256; 4], logistic::tables());
        let (mut expected, matches) = (Expected::default(), [Match::default(); MATCHES]);
        for step in 0..20_000 {
            let (place, byte) = if step % 50 == 0 { (1, b'y') } else { (0, b'x') };
            expectations.choose(&mut expected, &matches, place);
            expectations.learn(&mut expected, byte);
        }
        assert_eq!(expectations.choose(&mut expected, &matches, 0), Some(b'x'));
        assert_eq!(expectations.choose(&mut expected, &matches, 1), None);
    }
}
