//! The network's prediction of a byte, as odds for each of its bits.

use std::ops::Range;
use std::sync::Arc;

use super::arithmetic::logarithm;

/// Largest log odds, in 1/256 octave.
pub const STRETCH_LIMIT: i32 = 4095;

/// Weights of all 256 byte values, added up in their order: those that begin with some bits are next to each other, so
/// that their weights' sum is one difference.
#[derive(Clone)]
pub struct Distribution {
    ranks: Arc<Ranks>,
    /// The sum of the weights of all byte values of the alphabet before each, then that of all.
    sums: Vec<u32>,
}

/// For each byte value the number of those before it that are in the alphabet, then that of all.
pub(super) struct Ranks([u16; 257]);

impl Ranks {
    /// Those of an alphabet, which is rising.
    pub fn of(alphabet: &[u8]) -> Self {
        Self(std::array::from_fn(|byte| alphabet.partition_point(|&known| usize::from(known) < byte) as u16))
    }
}

impl Distribution {
    /// Every byte value equally likely.
    pub fn uniform() -> Self {
        let alphabet: Vec<u8> = (0..=255).collect();
        Self { ranks: Arc::new(Ranks::of(&alphabet)), sums: (0..=256).collect() }
    }

    /// Sets the weights of the alphabet's byte values, zero for all others. Their sum must fit 32 bits.
    pub(super) fn set(&mut self, ranks: &Arc<Ranks>, weights: &[u32]) {
        if !Arc::ptr_eq(&self.ranks, ranks) {
            self.ranks = Arc::clone(ranks);
            self.sums.resize(weights.len() + 1, 0);
        }
        let mut sum = 0;
        for (place, weight) in self.sums[1..].iter_mut().zip(weights) {
            sum += weight;
            *place = sum;
        }
    }

    /// Log₂ odds of a one after the bits of `node` (1…255: a leading one, then the bits so far), in 1/256 octave
    /// within ±[`STRETCH_LIMIT`]; 0 where the network has never seen the prefix.
    #[inline]
    pub fn stretch(&self, node: usize) -> i32 {
        let [zero, one] = self.continuations(node);
        match (zero, one) {
            (0, 0) => 0,
            (0, _) => STRETCH_LIMIT,
            (_, 0) => -STRETCH_LIMIT,
            _ => (logarithm(one) - logarithm(zero)).clamp(-STRETCH_LIMIT, STRETCH_LIMIT),
        }
    }

    /// Log₂ odds of the byte value `byte`, as [`Self::stretch`] gives those of a bit.
    #[inline]
    pub fn stretch_byte(&self, byte: u8) -> i32 {
        self.stretch_values(usize::from(byte)..usize::from(byte) + 1)
    }

    /// The same for the sixteen byte values that have the upper half of `byte`.
    #[inline]
    pub fn stretch_half(&self, byte: u8) -> i32 {
        let first = usize::from(byte & 0xF0);
        self.stretch_values(first..first + 16)
    }

    /// Log₂ odds of byte values in a row.
    #[inline(always)]
    fn stretch_values(&self, values: Range<usize>) -> i32 {
        let weight = self.below(values.end) - self.below(values.start);
        match (weight, self.below(256) - weight) {
            (0, _) => -STRETCH_LIMIT,
            (_, 0) => STRETCH_LIMIT,
            (weight, rest) => (logarithm(weight) - logarithm(rest)).clamp(-STRETCH_LIMIT, STRETCH_LIMIT),
        }
    }

    /// The weights of a zero and of a one after the bits of `node`.
    #[inline]
    pub fn continuations(&self, node: usize) -> [u32; 2] {
        debug_assert!((1..256).contains(&node));
        let half = 128 >> node.ilog2();
        let first = node * 2 * half - 256;
        let [start, middle, end] = [first, first + half, first + 2 * half].map(|byte| self.below(byte));
        [middle - start, end - middle]
    }

    /// The sum of the weights of the byte values below `byte`.
    #[inline(always)]
    fn below(&self, byte: usize) -> u32 {
        self.sums[usize::from(self.ranks.0[byte])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_holds_the_sums_of_its_leaves() {
        let alphabet: Vec<u8> = (0..=255).filter(|byte| byte % 3 != 1).collect();
        let leaves: Vec<u32> = alphabet.iter().map(|&byte| 1 + u32::from(byte) * 7919 % 1009).collect();
        let mut distribution = Distribution::uniform();
        distribution.set(&Arc::new(Ranks::of(&alphabet)), &leaves);
        for node in 1..256usize {
            let depth = node.ilog2();
            let sum_under = |prefix: usize| -> u32 {
                let under = alphabet
                    .iter()
                    .zip(&leaves)
                    .filter(|(byte, _)| (256 + usize::from(**byte)) >> (7 - depth) == prefix);
                under.map(|(_, leaf)| leaf).sum()
            };
            assert_eq!(distribution.continuations(node), [sum_under(2 * node), sum_under(2 * node + 1)], "node {node}");
        }
    }

    #[test]
    fn a_uniform_network_has_no_opinion() {
        assert!((1..256).all(|node| Distribution::uniform().stretch(node) == 0));
    }
}
