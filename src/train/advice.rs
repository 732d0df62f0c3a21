//! What contexts alone say of the bytes that a network learns from.

use crate::predict::Decision;

/// Octaves of odds in one unit of what is kept: an eighth.
const OCTAVES: f32 = 1.0 / 8.0;
/// The same of the odds that [`Advice::decision`] takes, as a shift: they are in 1/256 octave.
const SHIFT: u32 = 5;
/// The kinds of decisions behind the eight bits': with what was right, and with another byte in the next word.
const BYTE: u16 = 8;
const HALF: u16 = 10;
const WRONG: u16 = 1;

/// For some bytes in a row the decisions that contexts coded each in, with their odds; none for a byte that was certain.
#[derive(Clone, Debug, Default)]
pub struct Advice {
    /// One for each decision: odds in the lower half, kind in the upper one.
    words: Vec<u16>,
    /// Behind the words of each byte.
    ends: Vec<u32>,
}

impl Advice {
    /// Takes in a decision on the coming `byte`, a yes having the `odds`, in 1/256 octave.
    pub fn decision(&mut self, decision: Decision, byte: u8, odds: i32) {
        let (kind, other) = match decision {
            Decision::Bit(index) => (index as u16, None),
            Decision::Byte(said) if said == byte => (BYTE, None),
            Decision::Byte(said) => (BYTE + WRONG, Some(said)),
            Decision::Half(said) if said >> 4 == byte >> 4 => (HALF, None),
            Decision::Half(said) => (HALF + WRONG, Some(said)),
        };
        let odds = ((odds + (1 << SHIFT >> 1)) >> SHIFT).clamp(i8::MIN.into(), i8::MAX.into()) as i8;
        self.words.push(kind << 8 | u16::from(odds as u8));
        self.words.extend(other.map(u16::from));
    }

    /// All decisions on a byte were taken in.
    pub fn end_byte(&mut self) {
        self.ends.push(self.words.len() as u32);
    }

    /// Number of bytes.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Adds what is said of the bytes that follow.
    pub fn append(&mut self, next: Self) {
        if self.ends.is_empty() {
            *self = next;
            return;
        }
        let before = self.words.len() as u32;
        self.words.extend(&next.words);
        self.ends.extend(next.ends.iter().map(|end| before + end));
    }

    /// Adds what `all` say of the byte at `place`.
    pub(super) fn push(&mut self, all: &Self, place: usize) {
        self.words.extend(all.words_of(place));
        self.end_byte();
    }

    /// The decisions on the byte at `place`, which is `byte`, and the natural log-odds of a yes.
    pub(super) fn of(&self, place: usize, byte: u8) -> impl Iterator<Item = (Decision, f32)> {
        let mut words = self.words_of(place).iter();
        std::iter::from_fn(move || {
            let &word = words.next()?;
            let kind = word >> 8;
            let said = if kind > BYTE && kind & WRONG != 0 { *words.next()? as u8 } else { byte };
            let decision = match kind {
                ..BYTE => Decision::Bit(kind.into()),
                BYTE..HALF => Decision::Byte(said),
                _ => Decision::Half(said),
            };
            Some((decision, f32::from(word as u8 as i8) * OCTAVES * std::f32::consts::LN_2))
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

    fn words_of(&self, place: usize) -> &[u16] {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.words[start as usize..self.ends[place] as usize]
    }
}

/// The places of a file that a network learns from.
#[derive(Clone, Debug)]
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
