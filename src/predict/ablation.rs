//! What the experts would have reached with some of them left out: the same mixers, on the same decisions, fed with a part
//! of the inputs.

use crate::coder;
use crate::layout::Layout;

use super::Predictor;
use super::apm::FinalMaps;
use super::evidence::{Certain, DecisionKind, Evidence, Mixed};
use super::experts::{Experts, FINAL_SETS};
use super::logistic::{self, Logistic};
use super::matching::MATCHES;
use super::mixer::{Beginning, Mixers, ONE, SELECTORS, Selection};
use super::model::{INPUT_ROWS, NETWORK_INPUT};
use super::vector::{Portable, Row, WIDTH};

/// Experts that predict without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The network alone.
    Network,
    /// The contexts alone, with what they know of numbers.
    Contexts,
    /// The match models alone.
    Matches,
    /// Contexts and match models.
    WithoutNetwork,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Network, Self::Contexts, Self::Matches, Self::WithoutNetwork];

    fn has_contexts(self) -> bool {
        matches!(self, Self::Contexts | Self::WithoutNetwork)
    }

    /// The inputs of the last row that it may see; those from `start` on come from no context.
    fn others(self, kind: DecisionKind, start: usize) -> [bool; WIDTH] {
        let matches = if kind == DecisionKind::Bit { 2 * MATCHES } else { MATCHES };
        let (network, numbers) = (kind.network_inputs(start > 0), kind.number_inputs());
        let sees = |index: usize| match index {
            _ if network.iter().any(|inputs| inputs.contains(&index)) => self == Self::Network,
            _ if numbers.contains(&index) => self.has_contexts(),
            _ if index < matches => matches!(self, Self::Matches | Self::WithoutNetwork),
            _ => true,
        };
        std::array::from_fn(|place| place.checked_sub(start).map_or(self.has_contexts(), sees))
    }
}

/// Follows the decisions of one block and adds up what each part would have paid for them.
pub struct Ablation(Vec<Alone>);

/// A part with mixers and maps of its own.
struct Alone {
    part: Part,
    /// For decisions on certain bytes.
    certain: Option<Chain>,
    /// For decisions on expected bytes, on upper halves, and on bits.
    chains: [Option<Chain>; 3],
    experts: Experts,
    /// In 1/2^24 bit.
    cost: u64,
}

/// From inputs to a probability.
struct Chain {
    mixers: Mixers,
    maps: FinalMaps,
}

impl Ablation {
    /// For one block of a layout.
    pub fn new(layout: &Layout) -> Self {
        let experts = Experts::new(layout);
        Self(Part::ALL.map(|part| Alone::new(part, experts)).into())
    }

    /// Bytes of memory that it takes, at most.
    pub fn memory() -> u64 {
        Part::ALL.len() as u64 * Predictor::FIXED_MEMORY
    }

    /// Takes note of a decision.
    #[inline(always)]
    pub fn observe(&mut self, evidence: &Evidence<'_>, answer: bool) {
        for alone in &mut self.0 {
            alone.observe(evidence, answer);
        }
    }

    /// What each part paid so far, in 1/2^24 bit.
    pub fn costs(&self) -> [u64; Part::ALL.len()] {
        std::array::from_fn(|index| self.0[index].cost)
    }
}

impl Alone {
    fn new(part: Part, experts: Experts) -> Self {
        Self { part, certain: None, chains: [const { None }; 3], experts, cost: 0 }
    }

    #[inline(always)]
    fn observe(&mut self, evidence: &Evidence<'_>, answer: bool) {
        let cost = match evidence {
            Evidence::Certain(certain) => self.observe_certain(certain, answer),
            Evidence::Mixed(mixed) => self.observe_mixed(mixed, answer),
        };
        self.cost += u64::from(cost);
    }

    /// What the part pays for a decision on a certain byte: the claim itself is the contexts'; the others know it as little as
    /// any byte.
    fn observe_certain(&mut self, certain: &Certain<'_>, answer: bool) -> u32 {
        if self.part.has_contexts() {
            return coder::cost(certain.yes, answer);
        }
        let logistic = logistic::tables();
        let mut inputs = Row::ZERO;
        if self.part == Part::Network {
            inputs.0[MATCHES] = certain.network.map_or(0, |network| network.stretch_byte(certain.byte));
        } else {
            for (input, model) in inputs.0.iter_mut().zip(certain.matches) {
                let length = model.class() as i32 * 128;
                *input = model.predicted().map_or(0, |said| if said == certain.byte { length } else { -length });
            }
        }
        inputs.0[MATCHES + 1] = 256;
        let (byte, reaction) = (usize::from(certain.byte), usize::from(inputs.0[0] != 0));
        let chain = self.certain.get_or_insert_with(|| Chain {
            mixers: Mixers::new(
                &Beginning::alike(&[Row([ONE; WIDTH])], SELECTORS),
                &[[1, 256, 1, 2]],
                1,
                self.experts.settled_rate(),
            ),
            maps: FinalMaps::new([256, 2], logistic),
        });
        let mut selection = Selection::default();
        chain.mixers.select(&mut selection, 0, [0, byte, 0, reaction]);
        chain.code(&mut selection, &[inputs], [byte, reaction], answer, logistic)
    }

    #[inline(always)]
    fn observe_mixed(&mut self, evidence: &Mixed<'_>, answer: bool) -> u32 {
        let (rows, logistic) = (evidence.inputs.len(), logistic::tables());
        let mut inputs = [Row::ZERO; INPUT_ROWS];
        if self.part.has_contexts() {
            inputs[..rows - 1].copy_from_slice(&evidence.inputs[..rows - 1]);
        }
        let visible = self.part.others(evidence.kind, evidence.others_start);
        for ((input, &value), visible) in inputs[rows - 1].0.iter_mut().zip(&evidence.inputs[rows - 1].0).zip(visible) {
            *input = if visible { value } else { 0 };
        }
        let chain = &mut self.chains[evidence.kind as usize];
        let (part, experts) = (self.part, self.experts);
        let chain = chain.get_or_insert_with(|| Chain::new(part, experts, evidence, logistic));
        chain.code(&mut evidence.selection.clone(), &inputs[..rows], evidence.contexts, answer, logistic)
    }
}

impl Chain {
    fn new(part: Part, experts: Experts, evidence: &Mixed<'_>, logistic: &Logistic) -> Self {
        let (rows, is_bit) = (evidence.inputs.len(), evidence.kind == DecisionKind::Bit);
        let context = if is_bit { ONE / 8 } else { ONE / 4 };
        let other = if part.has_contexts() { ONE / 4 } else { ONE };
        let mut weights = vec![Row([context; WIDTH]); rows - 1];
        let named = if is_bit { NETWORK_INPUT + 2 } else { MATCHES + 1 };
        let step = if is_bit { 2 } else { 1 };
        let weight = |index: usize| if index < named && index.is_multiple_of(step) { other } else { 0 };
        let start = evidence.others_start;
        weights.push(Row(std::array::from_fn(|place| place.checked_sub(start).map_or(context, weight))));
        let (bits, byte) = (experts.selector_sizes(), [experts.byte_selector_sizes()]);
        let (sizes, contexts) = match is_bit {
            true => (&bits[..evidence.mixers.fours()], [1 << 16; 2]),
            false => (&byte[..], [256; 2]),
        };
        let beginning = Beginning::alike(&weights, SELECTORS * sizes.len());
        Self {
            mixers: Mixers::new(&beginning, sizes, FINAL_SETS, experts.settled_rate()),
            maps: FinalMaps::new(contexts, logistic),
        }
    }

    /// Predicts a decision and learns from its answer; returns its cost.
    #[inline(always)]
    fn code(
        &mut self,
        selection: &mut Selection,
        inputs: &[Row],
        contexts: [usize; 2],
        answer: bool,
        logistic: &Logistic,
    ) -> u32 {
        let mut cells = [0; 2];
        let octaves = self.mixers.mix::<Portable>(selection, inputs);
        let yes = self.maps.refine(&mut cells, contexts, octaves, logistic);
        self.maps.update(&cells, answer);
        self.mixers.update::<Portable>(selection, inputs, answer, logistic);
        coder::cost(yes, answer)
    }
}
