//! One block, in either direction: the predictor and the network drive the range coder.

#[cfg(feature = "train")]
mod checked;

use std::num::NonZeroU16;

#[cfg(feature = "train")]
use crate::coder::Encoder;
use crate::coder::{BitCoder, Decoder};
use crate::error::Result;
use crate::layout::Layout;
use crate::net::{Distribution, Instructions, Network, Session};
use crate::predict::{Answers, Decision, Evidence, Oracle, Predictor, Tables};
use crate::progress::Progress;

/// What all blocks of an archive have in common.
#[derive(Clone, Copy)]
pub struct Coding<'a> {
    /// The structure of the original.
    pub layout: &'a Layout,
    /// Size of the context tables.
    pub tables: Tables,
    /// What the predictor may use of the processor.
    pub instructions: Instructions,
    /// The network, if there is one.
    pub network: Option<&'a Network>,
}

/// Bytes between two looks at whether to stop.
const STRIDE: usize = 1 << 14;

impl Coding<'_> {
    /// Codes a block.
    ///
    /// # Errors
    /// Only [`crate::ErrorKind::Cancelled`].
    #[cfg(feature = "train")]
    pub fn encode(&self, bytes: &[u8], progress: &dyn Progress) -> Result<Vec<u8>> {
        self.encode_observed(bytes, progress, &mut Unobserved)
    }

    /// The same, followed by an observer.
    ///
    /// # Errors
    /// Only [`crate::ErrorKind::Cancelled`].
    #[cfg(feature = "train")]
    pub fn encode_observed(
        &self,
        bytes: &[u8],
        progress: &dyn Progress,
        observer: &mut impl Observer,
    ) -> Result<Vec<u8>> {
        let mut block = self.block(Encoder::new(), bytes.len(), Some(bytes), observer);
        block.run(progress, |_| ())?;
        Ok(block.coder.finish())
    }

    /// Restores the `length` bytes of a block from its stream. A damaged stream gives wrong bytes.
    ///
    /// # Errors
    /// Only [`crate::ErrorKind::Cancelled`].
    pub fn decode(
        &self,
        stream: &[u8],
        length: usize,
        progress: &dyn Progress,
        observer: &mut impl Observer,
    ) -> Result<Vec<u8>> {
        let mut block = self.block(Decoder::new(stream), length, None, observer);
        block.run(progress, |_| ())?;
        Ok(block.predictor.into_bytes())
    }

    /// A block of which no byte is coded yet. Its bytes only an encoder knows beforehand.
    fn block<'a, C: BitCoder, O: Observer>(
        &'a self,
        coder: C,
        length: usize,
        bytes: Option<&'a [u8]>,
        observer: &'a mut O,
    ) -> Block<'a, C, O> {
        let predictor = Predictor::new(self.layout, self.tables, length, self.instructions);
        Block { predictor, coder, network: self.network.map(Way::new), bytes, observer }
    }
}

/// Follows a block while it is coded, decision by decision.
pub trait Observer {
    /// Whether the network is to predict even what nobody else asks it.
    const ASKS_ALWAYS: bool = false;

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
    coder: C,
    network: Option<Way<'a>>,
    bytes: Option<&'a [u8]>,
    observer: &'a mut O,
}

/// A network's way through a block.
struct Way<'a> {
    network: &'a Network,
    session: Session,
    prediction: Distribution,
    stage: Stage,
    /// The last byte that it did not rest at.
    previous: Option<u8>,
}

/// What a network does for the next byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Rests,
    MayBeAsked,
    HasPredicted,
}

impl<'a> Way<'a> {
    fn new(network: &'a Network) -> Self {
        let (session, prediction) = (network.session(), Distribution::uniform());
        Self { network, session, prediction, stage: Stage::Rests, previous: None }
    }

    /// Goes on to the next byte.
    #[inline(always)]
    fn advance(&mut self, predictor: &Predictor) {
        self.stage = Stage::Rests;
        if !self.network.rests_at(&predictor.position()) {
            self.network.advance(&mut self.session, &predictor.input(self.previous));
            self.stage = Stage::MayBeAsked;
        }
    }
}

impl Oracle for Option<Way<'_>> {
    #[inline(always)]
    fn known(&self) -> Option<&Distribution> {
        self.as_ref().filter(|way| way.stage == Stage::HasPredicted).map(|way| &way.prediction)
    }

    #[inline(always)]
    fn ask(&mut self) -> Option<&Distribution> {
        if let Some(way) = self
            && way.stage == Stage::MayBeAsked
        {
            way.network.predict(&mut way.session, &mut way.prediction);
            way.stage = Stage::HasPredicted;
        }
        self.known()
    }
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
    /// Codes the block; now and then, and at the beginning, `look` may look at the coder.
    fn run(&mut self, progress: &dyn Progress, mut look: impl FnMut(&C)) -> Result<()> {
        while !self.predictor.has_ended() {
            progress.check()?;
            look(&self.coder);
            let (coded, written) = (self.predictor.coded(), self.coder.written());
            while !self.predictor.has_ended() && self.predictor.coded() < coded + STRIDE {
                self.code_byte()?;
            }
            progress.coded(self.coder.written() - written);
            progress.advance((self.predictor.coded() - coded) as u64);
        }
        Ok(())
    }

    /// Codes the next byte.
    #[inline(always)]
    fn code_byte(&mut self) -> Result<()> {
        let place = self.predictor.coded();
        let byte = self.bytes.map_or(0, |bytes| bytes[place]);
        let Self { predictor, coder, network, observer, .. } = self;
        if let Some(way) = network {
            way.advance(predictor);
        }
        if O::ASKS_ALWAYS {
            network.ask();
        }
        let byte = predictor.code_byte(network, &mut ByteCoder { coder, byte, observer: &mut **observer })?;
        if let Some(way) = network.as_mut().filter(|way| way.stage != Stage::Rests) {
            way.previous = Some(byte);
        }
        self.observer.byte(place);
        Ok(())
    }
}

#[cfg(all(test, feature = "train"))]
mod tests;
