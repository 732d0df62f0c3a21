//! What contexts alone say of the bytes that a network learns from.

use crate::predict::Decision;

/// Octaves of odds in one unit of what is kept: an eighth.
const OCTAVES: f32 = 1.0 / 8.0;
/// The same of the odds that [`Advice::decision`] takes, as a shift: they are in 1/256 octave.
const SHIFT: u32 = 5;
/// The kinds of decisions, each a bit of an entry's head, in their order in an entry: on a byte, on a half, on the eight bits.
const BYTE: u32 = 0;
const HALF: u32 = 1;
const BITS: u32 = 2;
const KINDS: u32 = BITS + 8;
/// The entry begins with its head.
const HEAD: usize = 2;
/// Entries from one known beginning to the next.
const STRIDE: usize = 8;

/// For some bytes in a row the decisions that contexts coded each in, with their odds; none for a byte that was certain.
///
/// Each byte has an entry: a head of 16 bits, which kinds of decisions there are and, [`KINDS`] above them, whether another byte or half
/// was said than came; then for each decision what was said, if that is another, and the odds.
#[derive(Clone, Debug, Default)]
pub struct Advice {
    entries: Vec<u8>,
    /// Where every [`STRIDE`]th entry begins.
    starts: Vec<u32>,
    /// Where the entry in work begins, and its head.
    open: usize,
    head: u16,
    /// Number of entries that are complete.
    count: usize,
}

impl Advice {
    /// Takes in a decision on the coming `byte`, a yes having the `odds`, in 1/256 octave. Of each kind there is one at most, in the
    /// order byte, half, bits.
    pub fn decision(&mut self, decision: Decision, byte: u8, odds: i32) {
        let (kind, said) = match decision {
            Decision::Byte(said) => (BYTE, said),
            Decision::Half(said) => (HALF, said),
            Decision::Bit(index) => (BITS + index as u32, byte),
        };
        debug_assert!((self.head & ((1 << KINDS) - 1)) >> kind == 0, "{decision:?} came too late");
        self.begin_entry();
        self.head |= 1 << kind;
        if kind < BITS && !decision.of(byte) {
            self.head |= 1 << (KINDS + kind);
            self.entries.push(said);
        }
        let odds = ((odds + (1 << SHIFT >> 1)) >> SHIFT).clamp(i8::MIN.into(), i8::MAX.into()) as i8;
        self.entries.push(odds as u8);
    }

    /// All decisions on a byte were taken in.
    pub fn end_byte(&mut self) {
        self.begin_entry();
        self.entries[self.open..][..HEAD].copy_from_slice(&self.head.to_le_bytes());
        self.end_entry();
    }

    /// Number of bytes.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds what is said of the bytes that follow.
    pub fn append(&mut self, next: Self) {
        if self.count == 0 {
            *self = next;
            return;
        }
        (0..next.count).for_each(|place| self.push(&next, place));
    }

    /// Adds what `all` say of the byte at `place`.
    pub(super) fn push(&mut self, all: &Self, place: usize) {
        self.entries.extend(all.entry(place));
        self.end_entry();
    }

    /// The decisions on the byte at `place`, which is `byte`, and the natural log-odds of a yes.
    pub(super) fn of(&self, place: usize, byte: u8) -> impl Iterator<Item = (Decision, f32)> {
        let (head, told) = self.entry(place).split_first_chunk::<HEAD>().expect("a head");
        let head = u16::from_le_bytes(*head);
        let mut told = told.iter();
        let mut next = move || *told.next().expect("as the head says");
        (0..KINDS).filter(move |kind| head >> kind & 1 != 0).map(move |kind| {
            let said = if kind < BITS && head >> (KINDS + kind) & 1 != 0 { next() } else { byte };
            let decision = match kind {
                BYTE => Decision::Byte(said),
                HALF => Decision::Half(said),
                bit => Decision::Bit((bit - BITS) as usize),
            };
            (decision, f32::from(next() as i8) * OCTAVES * std::f32::consts::LN_2)
        })
    }

    /// What the decisions on `bytes` cost, in 1/1000 byte.
    #[cfg(test)]
    pub fn cost(&self, bytes: &[u8]) -> u64 {
        let decisions = bytes.iter().enumerate().flat_map(|(place, &byte)| {
            self.of(place, byte).map(move |(decision, odds)| if decision.of(byte) { -odds } else { odds })
        });
        let nats: f64 = decisions.map(|against| f64::from(against).exp().ln_1p()).sum();
        (nats * std::f64::consts::LOG2_E * 125.0) as u64
    }

    fn begin_entry(&mut self) {
        if self.open == self.entries.len() {
            self.entries.extend([0; HEAD]);
        }
    }

    fn end_entry(&mut self) {
        if self.count.is_multiple_of(STRIDE) {
            self.starts.push(self.open as u32);
        }
        (self.open, self.head) = (self.entries.len(), 0);
        self.count += 1;
    }

    fn entry(&self, place: usize) -> &[u8] {
        let mut rest = &self.entries[self.starts[place / STRIDE] as usize..];
        for _ in 0..place % STRIDE {
            rest = &rest[entry_length(rest)..];
        }
        &rest[..entry_length(rest)]
    }
}

/// Of the entry at the beginning of `bytes`.
fn entry_length(bytes: &[u8]) -> usize {
    HEAD + (bytes[0].count_ones() + bytes[1].count_ones()) as usize
}

/// The places of a file that a network learns from.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    bits: Vec<u64>,
}

impl Wanted {
    /// None of so many places.
    pub(super) fn none_of(length: usize) -> Self {
        Self { bits: vec![0; length.div_ceil(64)] }
    }

    pub(super) fn insert(&mut self, place: usize) {
        self.bits[place / 64] |= 1 << (place % 64);
    }

    /// Whether the network learns from the byte at `place` of the file.
    pub fn contains(&self, place: usize) -> bool {
        self.bits[place / 64] >> (place % 64) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_come_back_as_they_were_made() {
        let made = [
            (b'x', vec![(Decision::Byte(b'y'), -700), (Decision::Half(b'0'), 256), (Decision::Bit(0), -4095)]),
            (b'y', vec![]),
            (b'z', vec![(Decision::Byte(b'z'), 900), (Decision::Bit(7), 16)]),
            (b'a', vec![(Decision::Half(b'a'), 4095)]),
        ];
        let mut advice = Advice::default();
        for (byte, decisions) in &made[1..3] {
            decisions.iter().for_each(|&(decision, odds)| advice.decision(decision, *byte, odds));
            advice.end_byte();
        }
        let mut all = Advice::default();
        made[0].1.iter().for_each(|&(decision, odds)| all.decision(decision, made[0].0, odds));
        all.end_byte();
        all.append(advice);
        made[3].1.iter().for_each(|&(decision, odds)| all.decision(decision, made[3].0, odds));
        all.end_byte();
        assert_eq!(all.count(), made.len());
        for (place, (byte, decisions)) in made.iter().enumerate() {
            let found: Vec<_> = all.of(place, *byte).collect();
            assert_eq!(found.len(), decisions.len());
            for ((decision, odds), &(expected, expected_odds)) in found.into_iter().zip(decisions) {
                let octaves = f64::from(odds) / std::f64::consts::LN_2;
                assert_eq!(decision, expected);
                assert!((octaves - f64::from(expected_odds) / 256.0).abs() <= 0.125, "{octaves} {expected_odds}");
            }
        }
    }
}
