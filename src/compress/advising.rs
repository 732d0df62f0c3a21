//! What contexts alone say of a file, for a network that is to know what they do not.

use crate::block::Observer;
use crate::coder;
use crate::predict::{Decision, Evidence};
use crate::train::{Advice, Wanted};

/// From the unit of costs, 1/2^24 bit, to 1/256 octave.
const OCTAVES: u32 = 16;

/// Follows a block while it is coded, and keeps what was said where a network learns.
pub struct Listener<'a> {
    block: &'a [u8],
    /// The block's first byte in the file.
    start: usize,
    wanted: &'a Wanted,
    /// The place in the block of the byte in work.
    place: usize,
    /// What was said so far.
    pub advice: Advice,
}

impl<'a> Listener<'a> {
    /// At the beginning of a `block` that begins at `start` of the file.
    pub fn new(block: &'a [u8], start: usize, wanted: &'a Wanted) -> Self {
        Self { block, start, wanted, place: 0, advice: Advice::default() }
    }
}

impl Observer for Listener<'_> {
    #[inline(always)]
    fn decision(&mut self, decision: Decision, yes: u16, _: bool, evidence: &Evidence<'_>) {
        // A network has no say in what is certain.
        if self.wanted.contains(self.start + self.place) && matches!(evidence, Evidence::Mixed(_)) {
            let odds = (coder::cost(yes, false) as i32 - coder::cost(yes, true) as i32) >> OCTAVES;
            self.advice.decision(decision, self.block[self.place], odds);
        }
    }

    #[inline(always)]
    fn byte(&mut self, place: usize) {
        if self.wanted.contains(self.start + place) {
            self.advice.end_byte();
        }
        self.place = place + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Coding;
    use crate::layout::Layout;
    use crate::net::Instructions;
    use crate::options::NetworkChoice;
    use crate::plan::Plan;
    use crate::predict::{Effort, Tables};
    use crate::progress::Silent;
    use crate::train::{Budget, Recipe, TrainOptions, Training, Watch};

    const FILE: &[u8] = include_bytes!("../../Cargo.lock");

    /// What a network that learns from the whole file is told, and what the file takes.
    fn heard(effort: Effort) -> (Advice, u64) {
        let layout = Layout::Plain;
        let tables = Tables { bits: 16, effort };
        let coding = Coding { layout: &layout, tables, instructions: Instructions::Scalar, network: None };
        let shape = Plan::new(4, NetworkChoice::Auto, FILE).network.unwrap().shape;
        let budget = Budget { bytes: 1, time: None };
        let options = TrainOptions {
            seed: 1,
            threads: 1,
            device: crate::options::Device::Cpu,
            recipe: Recipe::of(0),
            checkpoint: None,
        };
        let mut result = None;
        let mut judge = |_: &crate::net::Weights, wanted: &Wanted| {
            let mut listener = Listener::new(FILE, 0, wanted);
            let stream = coding.encode_observed(FILE, &Silent, &mut listener)?;
            result = Some((listener.advice.clone(), stream.len() as u64));
            Ok(Some(listener.advice))
        };
        let mut training = Training::new(FILE, &layout, &shape, &budget, &options, &Silent).unwrap();
        training.run(&mut Watch::none().with_probe(0, &mut judge), &Silent).unwrap();
        result.unwrap()
    }

    /// Decisions on what is certain cost little on such a file, and are not in the advice.
    #[test]
    fn what_a_network_is_told_costs_what_the_file_takes() {
        for effort in [Effort::Quick, Effort::Normal, Effort::Full] {
            let (advice, coded) = heard(effort);
            let told = advice.cost(FILE);
            assert_eq!(advice.count(), FILE.len());
            assert!((coded * 940..coded * 1010).contains(&told), "{effort:?}: {told} for {coded} bytes");
        }
    }
}
