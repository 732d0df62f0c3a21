//! One block, in either direction: the predictor and the network drive the range coder, lane by lane in lockstep.

#[cfg(feature = "train")]
mod checked;
mod relay;

use std::num::NonZeroU16;
use std::ops::Range;

#[cfg(feature = "train")]
use crate::coder::Encoder;
use crate::coder::{BitCoder, Decoder};
use crate::container::part;
use crate::error::Result;
use crate::layout::Layout;
use crate::net::{Distribution, Input, Instructions, Network};
use crate::predict::{Answers, Decision, Evidence, Predictor, Tables};
use crate::progress::Progress;

/// What all blocks of an archive have in common.
pub struct Coding<'a> {
    /// The structure of the original.
    pub layout: &'a Layout,
    /// Size of the context tables.
    pub tables: Tables,
    /// What the predictor may use of the processor.
    pub instructions: Instructions,
    /// The network, if there is one.
    pub network: Option<&'a Network>,
    /// Whether a block may take two threads: one steps the network for half of the lanes while the other mixes and
    /// codes the other half. It changes no byte.
    pub pipelined: bool,
}

/// Steps between two looks at whether to stop.
const STEPS: usize = 1 << 14;

impl Coding<'_> {
    /// Codes a block in `lanes` lanes: one stream for each.
    ///
    /// # Errors
    /// Only [`crate::ErrorKind::Cancelled`].
    #[cfg(feature = "train")]
    pub fn encode(&self, bytes: &[u8], lanes: usize, progress: &dyn Progress) -> Result<Vec<Vec<u8>>> {
        self.encode_observed(bytes, lanes, progress, &mut Unobserved)
    }

    /// The same, followed by an observer.
    ///
    /// # Errors
    /// Only [`crate::ErrorKind::Cancelled`].
    #[cfg(feature = "train")]
    pub fn encode_observed(
        &self,
        bytes: &[u8],
        lanes: usize,
        progress: &dyn Progress,
        observer: &mut impl Observer,
    ) -> Result<Vec<Vec<u8>>> {
        let coders = (0..lanes).map(|_| Encoder::new()).collect();
        let block = self.run(coders, bytes.len(), Some(bytes), progress, observer)?;
        Ok(block.coders.into_iter().map(Encoder::finish).collect())
    }

    /// Restores the `length` bytes of a block from its lanes' streams. Damaged streams give wrong bytes.
    ///
    /// # Errors
    /// Only [`crate::ErrorKind::Cancelled`].
    pub fn decode(
        &self,
        streams: &[&[u8]],
        length: usize,
        progress: &dyn Progress,
        observer: &mut impl Observer,
    ) -> Result<Vec<u8>> {
        let coders = streams.iter().map(|stream| Decoder::new(stream)).collect();
        Ok(self.run(coders, length, None, progress, observer)?.predictor.into_bytes())
    }

    /// Codes all bytes of a block, which only an encoder knows beforehand.
    fn run<'a, C: BitCoder, O: Observer>(
        &self,
        coders: Vec<C>,
        length: usize,
        bytes: Option<&'a [u8]>,
        progress: &dyn Progress,
        observer: &'a mut O,
    ) -> Result<Block<'a, C, O>> {
        let mut block = self.block(coders, length, bytes, observer);
        match self.network {
            None => block.run_alone(progress)?,
            Some(network) if self.pipelined && block.lanes.len() > 1 => relay::run(&mut block, network, progress)?,
            Some(network) => block.run_with(network, progress)?,
        }
        Ok(block)
    }

    /// A block of which no byte is coded yet, in a lane for each of the coders.
    fn block<'a, C: BitCoder, O: Observer>(
        &self,
        coders: Vec<C>,
        length: usize,
        bytes: Option<&'a [u8]>,
        observer: &'a mut O,
    ) -> Block<'a, C, O> {
        let lanes: Vec<Range<usize>> = (0..coders.len() as u64)
            .map(|lane| part(length as u64, coders.len() as u64, lane))
            .map(|part| part.start as usize..part.end as usize)
            .collect();
        let lengths: Vec<usize> = lanes.iter().map(Range::len).collect();
        let predictor = Predictor::new(self.layout, self.tables, &lengths, self.instructions);
        let (coded, previous) = (vec![0; lanes.len()], vec![None; lanes.len()]);
        Block { predictor, coders, lanes, coded, previous, bytes, observer }
    }
}

/// Follows a block while it is coded, decision by decision.
pub trait Observer {
    /// A decision was answered; a yes had the probability `yes`/65536.
    fn decision(&mut self, decision: Decision, yes: u16, answer: bool, evidence: &Evidence<'_>);

    /// All decisions on the byte at `place` of the block are made.
    fn byte(&mut self, place: usize);
}

/// Follows nothing, at no cost.
pub struct Unobserved;

impl Observer for Unobserved {
    #[inline(always)]
    fn decision(&mut self, _: Decision, _: u16, _: bool, _: &Evidence<'_>) {}

    #[inline(always)]
    fn byte(&mut self, _: usize) {}
}

/// A block that is being coded.
struct Block<'a, C, O> {
    predictor: Predictor,
    coders: Vec<C>,
    /// The part of the block that each lane codes.
    lanes: Vec<Range<usize>>,
    /// How many bytes of its part each has coded.
    coded: Vec<usize>,
    /// The last byte of each that the network predicted.
    previous: Vec<Option<u8>>,
    bytes: Option<&'a [u8]>,
    observer: &'a mut O,
}

/// Answers the decisions on one byte.
struct ByteCoder<'a, C, O> {
    coder: &'a mut C,
    /// The byte, if it is known.
    byte: u8,
    observer: &'a mut O,
}

impl<C: BitCoder, O: Observer> Answers for ByteCoder<'_, C, O> {
    #[inline(always)]
    fn answer(&mut self, decision: Decision, yes: u16, evidence: &Evidence<'_>) -> Result<bool> {
        let answer = self.coder.code(decision.of(self.byte), NonZeroU16::new(yes).unwrap_or(NonZeroU16::MIN));
        self.observer.decision(decision, yes, answer, evidence);
        Ok(answer)
    }
}

impl<C: BitCoder, O: Observer> Block<'_, C, O> {
    /// Codes the block on the contexts alone.
    fn run_alone(&mut self, progress: &dyn Progress) -> Result<()> {
        let lanes = 0..self.lanes.len();
        self.each_step(progress, |block, _| {
            lanes.clone().try_for_each(|lane| match block.has_ended(lane) {
                true => Ok(()),
                false => block.code_byte(lane, None).map(drop),
            })
        })
    }

    /// Codes the block with a network that is stepped for all lanes together.
    fn run_with(&mut self, network: &Network, progress: &dyn Progress) -> Result<()> {
        let lanes = 0..self.lanes.len();
        let mut team = network.team(lanes.len());
        let mut inputs = vec![Input::default(); lanes.len()];
        let mut predictions = vec![Distribution::uniform(); lanes.len()];
        lanes.clone().try_for_each(|lane| self.code_while_it_rests(lane, network))?;
        self.each_step(progress, |block, _| {
            block.look(lanes.clone(), &mut inputs);
            network.step(&mut team, &inputs, &mut predictions);
            block.code_predicted(lanes.clone(), &predictions, network)
        })
    }

    /// Does `work`, which is told how often it was done, until all lanes have ended.
    fn each_step(
        &mut self,
        progress: &dyn Progress,
        mut work: impl FnMut(&mut Self, usize) -> Result<()>,
    ) -> Result<()> {
        let (mut steps, mut told, mut written) = (0, 0, 0);
        while told < self.predictor.length() {
            progress.check()?;
            for _ in 0..STEPS {
                if (0..self.lanes.len()).all(|lane| self.has_ended(lane)) {
                    break;
                }
                work(self, steps)?;
                steps += 1;
            }
            let before = std::mem::replace(&mut written, self.coders.iter().map(C::written).sum());
            progress.coded(written - before);
            let before = std::mem::replace(&mut told, self.coded.iter().sum());
            progress.advance((told - before) as u64);
        }
        Ok(())
    }

    #[inline(always)]
    fn has_ended(&self, lane: usize) -> bool {
        self.coded[lane] == self.lanes[lane].len()
    }

    /// What the network is told about the next byte of some lanes. A lane that has ended is stepped along, for
    /// nothing, until all have.
    fn look(&self, lanes: Range<usize>, inputs: &mut [Input]) {
        for (lane, input) in lanes.zip(inputs) {
            *input = self.predictor.input(lane, self.previous[lane]);
        }
    }

    /// Codes some lanes, in order: with the network's prediction the byte that it is for, and then all up to the next one.
    fn code_predicted(&mut self, lanes: Range<usize>, predictions: &[Distribution], network: &Network) -> Result<()> {
        for (lane, prediction) in lanes.zip(predictions) {
            if !self.has_ended(lane) {
                self.previous[lane] = Some(self.code_byte(lane, Some(prediction))?);
                self.code_while_it_rests(lane, network)?;
            }
        }
        Ok(())
    }

    /// Codes the bytes of a lane up to the next that the network predicts.
    #[inline(always)]
    fn code_while_it_rests(&mut self, lane: usize, network: &Network) -> Result<()> {
        while !self.has_ended(lane) && network.rests_at(&self.predictor.position(lane)) {
            self.code_byte(lane, None)?;
        }
        Ok(())
    }

    /// Codes the next byte of a lane that has not ended.
    #[inline(always)]
    fn code_byte(&mut self, lane: usize, prediction: Option<&Distribution>) -> Result<u8> {
        let place = self.lanes[lane].start + self.coded[lane];
        let byte = self.bytes.map_or(0, |bytes| bytes[place]);
        let coder = &mut self.coders[lane];
        let mut answers = ByteCoder { coder, byte, observer: &mut *self.observer };
        let byte = self.predictor.code_byte(lane, prediction, &mut answers)?;
        self.observer.byte(place);
        self.coded[lane] += 1;
        Ok(byte)
    }
}

#[cfg(all(test, feature = "train"))]
mod tests;
