//! Where a network rests: at places whose bytes contexts alone predict for next to nothing.
//!
//! There it has nothing to save. So it learns and codes the faster, and looks back the farther.

use crate::block::Observer;
use crate::coder;
use crate::layout::Layout;
use crate::net::Shape;
use crate::predict::{Decision, Evidence, Follower};

/// What a byte costs on average where a network rests, at most, in 1/2^24 bit: a tenth of a bit.
const NEARLY_NOTHING: u64 = (1 << 24) / 10;

/// Follows a sample while it is coded, and adds up what the bytes cost at each place, once contexts have learned from its first
/// half.
pub struct Places<'a> {
    sample: &'a [u8],
    shape: &'a Shape,
    follower: Follower,
    /// Of the byte in work.
    cost: u64,
    costs: Vec<u64>,
    counts: Vec<u64>,
}

impl<'a> Places<'a> {
    /// Those of a network of this shape in a `sample` of this layout.
    pub fn new(sample: &'a [u8], layout: &Layout, shape: &'a Shape) -> Self {
        let (costs, counts) = (vec![0; shape.places()], vec![0; shape.places()]);
        Self { sample, shape, follower: Follower::new(layout), cost: 0, costs, counts }
    }

    /// Percents of the bytes at which a network that is `resting` so does not.
    pub fn awake(&self, resting: &[bool]) -> u64 {
        let all: u64 = self.counts.iter().sum();
        let awake =
            self.counts.iter().enumerate().filter(|&(place, _)| !resting.get(place).is_some_and(|&rests| rests));
        awake.map(|(_, count)| count).sum::<u64>() * 100 / all.max(1)
    }

    /// Where the network rests, as [`Shape::resting`]. Not everywhere: it would have nothing to learn from.
    pub fn resting(&self) -> Vec<bool> {
        let places = self.costs.iter().zip(&self.counts);
        let resting: Vec<bool> = places.map(|(&cost, &count)| cost < count * NEARLY_NOTHING).collect();
        let rests =
            |wanted: bool| resting.iter().zip(&self.counts).any(|(&rests, &count)| count > 0 && rests == wanted);
        if rests(true) && rests(false) { resting } else { Vec::new() }
    }
}

impl Observer for Places<'_> {
    #[inline(always)]
    fn decision(&mut self, _: Decision, yes: u16, answer: bool, _: &Evidence<'_>) {
        self.cost += u64::from(coder::cost(yes, answer));
    }

    #[inline(always)]
    fn byte(&mut self, place: usize) {
        let cost = std::mem::take(&mut self.cost);
        if place >= self.sample.len() / 2 {
            let place = self.shape.place(&self.follower.position());
            self.costs[place] += cost;
            self.counts[place] += 1;
        }
        self.follower.advance(&self.sample[..=place]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Coding;
    use crate::net::Instructions;
    use crate::options::NetworkChoice;
    use crate::plan::Plan;
    use crate::predict::{Effort, Tables};
    use crate::progress::Silent;

    /// Where a network for `sample` rests, by field and offset, and of how many percent of the bytes it does not.
    fn resting(sample: &[u8]) -> (Vec<bool>, u64, Shape) {
        let layout = Layout::detect(sample);
        let shape = Plan::new(4, NetworkChoice::Auto, sample).network.unwrap().shape;
        let tables = Tables { bits: 14, effort: Effort::Quick };
        let coding = Coding { layout: &layout, tables, instructions: Instructions::Scalar, network: None };
        let mut places = Places::new(sample, &layout, &shape);
        coding.encode_observed(sample, &Silent, &mut places).unwrap();
        let resting = places.resting();
        let awake = places.awake(&resting);
        (resting, awake, shape)
    }

    #[test]
    fn a_network_rests_where_bytes_are_certain() {
        let scattered = |number: u64| (number ^ number >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let values = (1..4001).map(|row| scattered(scattered(row)) >> 40);
        let rows: String = values.map(|value| format!("same,{:02},end\n", value % 100)).collect();
        let (resting, awake, shape) = resting(rows.as_bytes());
        let offsets = usize::from(shape.offsets);
        let expected = [(0, 0, true), (0, 4, true), (1, 0, false), (1, 1, false), (1, 2, true), (2, 3, true)];
        for (field, offset, rests) in expected {
            assert_eq!(resting[field * offsets + offset], rests, "field {field}, offset {offset}");
        }
        assert_eq!(awake, 2 * 100 / 12, "two digits of twelve bytes");
    }

    #[test]
    fn it_does_not_rest_everywhere() {
        let (resting, awake, _) = resting(&b"same,same\n".repeat(3000));
        assert!(resting.is_empty() && awake == 100, "{awake}");
    }
}
