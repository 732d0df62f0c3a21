//! One block, in either direction: the predictor and the network drive the range coder, lane by lane in lockstep.

use std::num::NonZeroU16;

#[cfg(feature = "train")]
use crate::coder::Encoder;
use crate::coder::{BitCoder, Decoder};
use crate::container::part;
use crate::error::Result;
use crate::layout::Layout;
use crate::net::{Distribution, Input, Network, Team};
use crate::predict::{Predictor, Tables};
use crate::progress::Progress;

/// What all blocks of an archive have in common.
pub struct Coding<'a> {
    /// The structure of the original.
    pub layout: &'a Layout,
    /// Size of the context tables.
    pub tables: Tables,
    /// The network, if there is one.
    pub network: Option<&'a Network>,
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
        let mut coders: Vec<Encoder> = (0..lanes).map(|_| Encoder::new()).collect();
        self.run(&mut coders, bytes.len(), Some(bytes), progress)?;
        Ok(coders.into_iter().map(Encoder::finish).collect())
    }

    /// Restores the `length` bytes of a block from its lanes' streams. Damaged streams give wrong bytes.
    ///
    /// # Errors
    /// Only [`crate::ErrorKind::Cancelled`].
    pub fn decode(&self, streams: &[&[u8]], length: usize, progress: &dyn Progress) -> Result<Vec<u8>> {
        let mut coders: Vec<Decoder> = streams.iter().map(|stream| Decoder::new(stream)).collect();
        Ok(self.run(&mut coders, length, None, progress)?.into_bytes())
    }

    /// Codes all bytes of a block, which only an encoder knows beforehand.
    fn run<C: BitCoder>(
        &self,
        coders: &mut [C],
        length: usize,
        bytes: Option<&[u8]>,
        progress: &dyn Progress,
    ) -> Result<Predictor> {
        let lanes = coders.len();
        let cut = |lane: usize| part(length as u64, lanes as u64, lane as u64);
        let starts: Vec<usize> = (0..lanes).map(|lane| cut(lane).start as usize).collect();
        let lengths: Vec<usize> = (0..lanes).map(|lane| (cut(lane).end - cut(lane).start) as usize).collect();
        let mut predictor = Predictor::new(self.layout, self.tables, &lengths, self.network.is_some());
        let mut networked = self.network.map(|network| Networked::new(network, lanes));
        let longest = lengths.iter().copied().max().unwrap_or(0);
        for first in (0..longest).step_by(STEPS) {
            progress.check()?;
            let last = longest.min(first + STEPS);
            for step in first..last {
                if let Some(networked) = &mut networked {
                    networked.step(&predictor);
                }
                for (lane, coder) in coders.iter_mut().enumerate().filter(|&(lane, _)| step < lengths[lane]) {
                    let distribution = networked.as_ref().map(|networked| &networked.predictions[lane]);
                    let byte = bytes.map_or(0, |bytes| bytes[starts[lane] + step]);
                    code_byte(&mut predictor, lane, distribution, coder, byte)?;
                }
            }
            let done = lengths.iter().map(|&length| length.min(last) - length.min(first)).sum::<usize>();
            progress.advance(done as u64);
        }
        Ok(predictor)
    }
}

/// Codes the next byte of a lane, which only an encoder knows beforehand.
#[inline]
fn code_byte(
    predictor: &mut Predictor,
    lane: usize,
    distribution: Option<&Distribution>,
    coder: &mut impl BitCoder,
    byte: u8,
) -> Result<()> {
    let mut place = 8;
    predictor.code_byte(lane, distribution, &mut |one| {
        place -= 1;
        Ok(coder.code(byte >> place & 1 != 0, NonZeroU16::new(one).unwrap_or(NonZeroU16::MIN)))
    })?;
    Ok(())
}

/// The network's side of a block: the lanes' state, and its predictions of their next bytes.
struct Networked<'a> {
    network: &'a Network,
    team: Team,
    inputs: Vec<Input>,
    predictions: Vec<Distribution>,
}

impl<'a> Networked<'a> {
    fn new(network: &'a Network, lanes: usize) -> Self {
        Self {
            network,
            team: network.team(lanes),
            inputs: vec![Input::default(); lanes],
            predictions: vec![Distribution::uniform(); lanes],
        }
    }

    /// Predicts every lane's next byte. A lane that has ended is stepped along, for nothing, until all have.
    fn step(&mut self, predictor: &Predictor) {
        for (lane, input) in self.inputs.iter_mut().enumerate() {
            *input = Input { previous: predictor.previous(lane), position: predictor.position(lane) };
        }
        self.network.step(&mut self.team, &self.inputs, &mut self.predictions);
    }
}
