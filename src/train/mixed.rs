//! What a network is to be good at: not to know the file alone, but to add what contexts do not know.
//!
//! Contexts code a byte in decisions, each between two sets of byte values. The mixers of the archive add up log-odds, so here
//! too the log-odds of the contexts and those of the network, each times its share, make the probability of a yes, and the loss is
//! what the decisions then cost (a product of experts: Hinton 2002, "Training Products of Experts by Minimizing Contrastive
//! Divergence"; here the set of outcomes is small enough for the exact gradient). A part of the network's own cross-entropy is added, which
//! keeps it sensible where contexts decide alone.

use std::ops::Range;

use super::advice::Advice;
use crate::predict::Decision;

/// The part of the network's own cross-entropy.
const ALONE: f32 = 0.1;
/// Bounds a probability from below, so that its logarithm exists.
const LEAST: f32 = 1e-9;

/// How fast shares follow the gradient, which is that of the mean loss of a position.
const RATE: f32 = 0.02;
/// What the network is given at least and at most.
const NETWORK_LIMITS: [f32; 2] = [0.1, 1.0];
/// The same of contexts.
const CONTEXTS_LIMITS: [f32; 2] = [0.0, 1.2];

/// Times these the log-odds of the network and those of contexts are added up. They learn with the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    pub network: f32,
    pub contexts: f32,
}

impl Shares {
    /// What training begins with.
    pub const START: Self = Self { network: 0.4, contexts: 0.6 };
    /// No gradient.
    pub const ZERO: Self = Self { network: 0.0, contexts: 0.0 };

    /// Moves them against `gradient`.
    pub fn learn(&mut self, gradient: Self) {
        let moved = |share: f32, gradient: f32, [least, most]: [f32; 2]| (share - RATE * gradient).clamp(least, most);
        self.network = moved(self.network, gradient.network, NETWORK_LIMITS);
        self.contexts = moved(self.contexts, gradient.contexts, CONTEXTS_LIMITS);
    }

    /// Adds up gradients.
    pub fn add(&mut self, other: Self) {
        self.network += other.network;
        self.contexts += other.contexts;
    }
}

/// What contexts say of the positions of a batch, and what that counts.
#[derive(Clone, Debug)]
pub struct Heard {
    pub advice: Advice,
    pub shares: Shares,
}

/// The alphabet's order: which classes a set of byte values is.
#[derive(Clone, Debug)]
pub struct Classes {
    alphabet: Vec<u8>,
    /// How many classes lie below each byte value.
    below: [u16; 257],
}

impl Classes {
    /// Those of an ascending `alphabet`.
    pub fn new(alphabet: &[u8]) -> Self {
        let mut below = [0; 257];
        for value in 0..256 {
            below[value + 1] = below[value] + u16::from(alphabet.binary_search(&(value as u8)).is_ok());
        }
        Self { alphabet: alphabet.to_vec(), below }
    }

    /// Turns the gradient of the network's own cross-entropy with `target` by its logits, one for each class, into that of what it
    /// is to be good at, times `scale`, where contexts say what was `heard` at a position. Returns that by the shares.
    pub fn mix(&self, gradient: &mut [f32], target: usize, heard: &Heard, position: usize, scale: f32) -> Shares {
        let Heard { advice, shares } = heard;
        let mut by_shares = Shares::ZERO;
        let byte = self.alphabet[target];
        gradient[target] += 1.0;
        let probabilities = &*gradient;
        // What the loss changes with the logarithm of each class' weight before it is normalised, for each unit of probability.
        let mut slopes = [ALONE; 256];
        for (decision, odds) in advice.of(position, byte) {
            let (yes, all) = self.sets(decision, byte);
            let no = [all.start..yes.start, yes.end..all.end];
            if yes.is_empty() || yes.len() == all.len() {
                continue;
            }
            let weight_of_yes = sum(&probabilities[yes.clone()]).max(LEAST);
            let weight_of_no = no.clone().map(|no| sum(&probabilities[no])).iter().sum::<f32>().max(LEAST);
            let own_odds = (weight_of_yes / weight_of_no).ln();
            let mixed = shares.network * own_odds + shares.contexts * odds;
            let answer = if decision.of(byte) { 1.0 } else { 0.0 };
            let error = 1.0 / (1.0 + (-mixed).exp()) - answer;
            by_shares.add(Shares { network: scale * error * own_odds, contexts: scale * error * odds });
            let error = shares.network * error;
            add(&mut slopes[yes], error / weight_of_yes);
            no.into_iter().for_each(|no| add(&mut slopes[no], -error / weight_of_no));
        }
        gradient.iter_mut().zip(slopes).for_each(|(probability, slope)| *probability *= slope * scale);
        gradient[target] -= ALONE * scale;
        by_shares
    }

    /// The classes for which the answer is yes, and all that it is about.
    fn sets(&self, decision: Decision, byte: u8) -> (Range<usize>, Range<usize>) {
        let value = usize::from(byte);
        match decision {
            Decision::Byte(said) => (self.range(said.into(), 1), self.range(0, 256)),
            Decision::Half(said) => (self.range(usize::from(said) & 0xF0, 16), self.range(0, 256)),
            Decision::Bit(index) => {
                let half = 128 >> index;
                let first = value & !(2 * half - 1);
                (self.range(first + half, half), self.range(first, 2 * half))
            }
        }
    }

    fn range(&self, first: usize, count: usize) -> Range<usize> {
        self.below[first].into()..self.below[first + count].into()
    }
}

fn sum(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

fn add(values: &mut [f32], addend: f32) {
    values.iter_mut().for_each(|value| *value += addend);
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    const ALPHABET: &[u8] = b"\n,-.0123456789Zabcz\xC3\xE9\xFF";

    /// The loss by its definition, over all 256 byte values and in 64 bits.
    fn loss(logits: &[f64], byte: u8, decisions: &[(Decision, f64)], shares: [f64; 2]) -> f64 {
        let weights: Vec<f64> = (0..=255u8)
            .map(|value| ALPHABET.iter().position(|&known| known == value).map_or(0.0, |class| logits[class].exp()))
            .collect();
        let mut known = 0..256;
        let mut loss = 0.0;
        for &(decision, odds) in decisions {
            if let Decision::Bit(index) = decision {
                let first = usize::from(byte) >> (8 - index) << (8 - index);
                known = first..first + (256 >> index);
            }
            let weight = |yes: bool| -> f64 {
                known.clone().filter(|&value| decision.of(value as u8) == yes).map(|value| weights[value]).sum()
            };
            let (yes, no) = (weight(true), weight(false));
            if yes > 0.0 && no > 0.0 {
                let mixed = shares[0] * (yes / no).ln() + shares[1] * odds;
                loss += (if decision.of(byte) { -mixed } else { mixed }).exp().ln_1p();
            }
        }
        let alone = weights.iter().sum::<f64>().ln() - weights[usize::from(byte)].ln();
        loss + f64::from(ALONE) * alone
    }

    #[test]
    fn the_gradient_is_that_of_what_decisions_cost() {
        let classes = Classes::new(ALPHABET);
        let mut random = Random::new(3);
        let wrong = [Decision::Byte(b'5'), Decision::Half(b'5')];
        for (target, &byte) in ALPHABET.iter().enumerate() {
            let bits = |from: usize| (from..8).map(Decision::Bit);
            let ways: [Vec<Decision>; 4] = [
                bits(0).collect(),
                vec![Decision::Byte(byte)],
                [Decision::Byte(b'Q'), Decision::Half(byte)].into_iter().chain(bits(4)).collect(),
                wrong.into_iter().filter(|decision| !decision.of(byte)).chain(bits(0)).collect(),
            ];
            for way in ways {
                let logits: Vec<f64> = ALPHABET.iter().map(|_| random.below(6000) as f64 / 1000.0 - 3.0).collect();
                let mut advice = Advice::default();
                way.iter().for_each(|&decision| advice.decision(decision, byte, random.below(2000) as i32 - 1000));
                advice.end_byte();
                let decisions: Vec<_> =
                    advice.of(0, byte).map(|(decision, odds)| (decision, f64::from(odds))).collect();

                let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
                let mut gradient: Vec<f32> = logits.iter().map(|logit| (logit.exp() / total) as f32).collect();
                gradient[target] -= 1.0;
                let shares = Shares { network: 0.5, contexts: 0.75 };
                let by_shares = classes.mix(&mut gradient, target, &Heard { advice, shares }, 0, 2.0);
                let at = |delta: [f64; 2]| loss(&logits, byte, &decisions, [0.5 + delta[0], 0.75 + delta[1]]);
                let expected = [[1e-5, 0.0], [0.0, 1e-5]].map(|d| (at(d) - at(d.map(|d: f64| -d))) / 1e-5);
                for (found, expected) in [by_shares.network, by_shares.contexts].into_iter().zip(expected) {
                    assert!((f64::from(found) - expected).abs() < 1e-3, "{way:?} of {byte}: {found} {expected}");
                }
                for class in 0..ALPHABET.len() {
                    let at = |delta: f64| {
                        let mut moved = logits.clone();
                        moved[class] += delta;
                        loss(&moved, byte, &decisions, [0.5, 0.75])
                    };
                    let expected = 2.0 * (at(1e-5) - at(-1e-5)) / 2e-5;
                    let found = f64::from(gradient[class]);
                    assert!((found - expected).abs() < 1e-4, "{way:?} of {byte}, class {class}: {found} {expected}");
                }
            }
        }
    }
}
