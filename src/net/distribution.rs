//! The network's prediction of a byte, as odds for each of its bits.

use super::arithmetic::logarithm;

/// Largest log odds, in 1/256 octave.
pub const STRETCH_LIMIT: i32 = 4095;

/// Weights of all 256 byte values and of every prefix of their bits, most significant bit first.
///
/// The prefixes of length `k` stand at `2ᵏ…2ᵏ⁺¹`, by their bits in reversed order: so the two continuations of the
/// prefix at `2ᵏ + r` stand at `2ᵏ⁺¹ + r` and `2ᵏ⁺¹ + 2ᵏ + r`, and each level is the sum of two halves of the next.
#[derive(Clone)]
pub struct Distribution {
    sums: Box<[u32; 512]>,
}

impl Distribution {
    /// Every byte value equally likely.
    pub fn uniform() -> Self {
        let mut uniform = Self { sums: Box::new([1; 512]) };
        uniform.add_up();
        uniform
    }

    /// Where [`Self::set`] takes the weight of a byte value.
    pub(super) fn place(byte: u8) -> u8 {
        byte.reverse_bits()
    }

    /// Sets the weights: `leaves[i]` for the byte value whose place is `places[i]`, zero for all others.
    ///
    /// The sum of the leaves must fit 32 bits.
    pub(super) fn set(&mut self, places: &[u8], leaves: &[u32]) {
        let [_, weights] = self.sums.as_chunks_mut::<256>().0 else { unreachable!("there are 512 sums") };
        weights.fill(0);
        for (&place, &leaf) in places.iter().zip(leaves) {
            weights[usize::from(place)] = leaf;
        }
        self.add_up();
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
        let (leaf, all) = (self.sums[256 + usize::from(byte.reverse_bits())], self.sums[1]);
        match (leaf, all - leaf) {
            (0, _) => -STRETCH_LIMIT,
            (_, 0) => STRETCH_LIMIT,
            (leaf, rest) => (logarithm(leaf) - logarithm(rest)).clamp(-STRETCH_LIMIT, STRETCH_LIMIT),
        }
    }

    /// The weights of a zero and of a one after the bits of `node`.
    #[inline]
    pub fn continuations(&self, node: usize) -> [u32; 2] {
        debug_assert!((1..256).contains(&node));
        let depth = node.ilog2();
        let prefix = (node as u32).reverse_bits() >> (31 - depth) >> 1;
        let zero = (2 << depth) + prefix as usize;
        [self.sums[zero], self.sums[zero + (1 << depth)]]
    }

    fn add_up(&mut self) {
        for depth in (0..8).rev() {
            let width = 1 << depth;
            let (parents, children) = self.sums.split_at_mut(2 * width);
            let (zeros, ones) = children[..2 * width].split_at(width);
            for ((parent, zero), one) in parents[width..].iter_mut().zip(zeros).zip(ones) {
                *parent = zero + one;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_holds_the_sums_of_its_leaves() {
        let alphabet: Vec<u8> = (0..=255).filter(|byte| byte % 3 != 1).collect();
        let leaves: Vec<u32> = alphabet.iter().map(|&byte| 1 + u32::from(byte) * 7919 % 1009).collect();
        let places: Vec<u8> = alphabet.iter().map(|&byte| Distribution::place(byte)).collect();
        let mut distribution = Distribution::uniform();
        distribution.set(&places, &leaves);
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
