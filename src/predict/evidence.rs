//! What a decision's probability was made from, for those who want to know whom to thank.

use std::ops::Range;

use crate::net::Distribution;

use super::certain::ASKED;
use super::logistic;
use super::matching::{MATCHES, Match};
use super::mixer::{Mixers, Selection};
use super::model::{NETWORK_INPUT, NETWORK_MAP_INPUT, NUMBER_INPUTS};
use super::numbers::GUIDES;
use super::slots::CONTEXTS;
use super::vector::{Row, WIDTH};

/// What one decision's probability was made from. To make one costs nothing; to look at it does.
pub enum Evidence<'a> {
    /// Claims that a byte is certain.
    Certain(Certain<'a>),
    /// What mixers mixed.
    Mixed(Mixed<'a>),
}

/// A decision on a byte that is held to be certain.
pub struct Certain<'a> {
    #[cfg_attr(not(feature = "reports"), expect(dead_code, reason = "only reports look at it"))]
    pub(super) byte: u8,
    /// The probability that it comes, in 1/65536.
    pub(super) yes: u16,
    /// The contexts that were asked, and whether each claimed it.
    pub(super) contexts: [usize; ASKED],
    pub(super) claims: [bool; ASKED],
    /// Those that were not asked.
    #[cfg_attr(not(feature = "reports"), expect(dead_code, reason = "only reports look at it"))]
    pub(super) matches: &'a [Match; MATCHES],
    #[cfg_attr(not(feature = "reports"), expect(dead_code, reason = "only reports look at it"))]
    pub(super) network: Option<&'a Distribution>,
}

/// A decision on what mixers made of many inputs.
pub struct Mixed<'a> {
    pub(super) mixers: &'a Mixers,
    pub(super) selection: &'a Selection,
    /// The mixers' inputs: rows of contexts, then the others.
    pub(super) inputs: &'a [Row],
    /// The contexts of the final maps.
    #[cfg_attr(not(feature = "reports"), expect(dead_code, reason = "only reports look at it"))]
    pub(super) contexts: [usize; 2],
    pub(super) kind: DecisionKind,
    /// Groups of sixteen contexts.
    pub(super) groups: usize,
    /// The place in the last row from which on inputs come from no context.
    pub(super) others_start: usize,
}

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecisionKind {
    /// Whether it is the byte that is expected.
    Byte,
    /// Whether it has the upper half that is expected.
    Half,
    Bit,
}

/// One of those that predict, by number as the format's chapter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expert {
    /// A context.
    Context(u8),
    /// A match model.
    Match(u8),
    /// The network.
    Network,
    /// How numbers spread around those that are expected.
    Numbers,
}

impl Expert {
    /// Their number.
    pub const COUNT: usize = CONTEXTS + MATCHES + 2;

    /// All of them, in the order of [`Credit`].
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self::from_index)
    }

    /// The one at a place of [`Credit`].
    pub fn from_index(index: usize) -> Self {
        match index {
            _ if index < CONTEXTS => Self::Context(index as u8),
            _ if index < CONTEXTS + MATCHES => Self::Match((index - CONTEXTS) as u8),
            _ if index == CONTEXTS + MATCHES => Self::Network,
            _ => Self::Numbers,
        }
    }

    /// Its place among all.
    pub fn index(self) -> usize {
        match self {
            Self::Context(number) => usize::from(number),
            Self::Match(number) => CONTEXTS + usize::from(number),
            Self::Network => CONTEXTS + MATCHES,
            Self::Numbers => CONTEXTS + MATCHES + 1,
        }
    }
}

/// What each expert said for the answers that came, less what it said against them, in 1/256 octave of log-odds, as far as
/// the mixers listened.
#[derive(Clone)]
pub struct Credit([i32; Expert::COUNT]);

impl Default for Credit {
    fn default() -> Self {
        Self([0; Expert::COUNT])
    }
}

impl Credit {
    /// The one who said most, if anybody said anything.
    #[inline]
    pub fn first(&self) -> Option<Expert> {
        let (mut first, mut most) = (0, self.0[0]);
        for (index, &credit) in self.0.iter().enumerate() {
            if credit > most {
                (first, most) = (index, credit);
            }
        }
        (most > 0).then(|| Expert::from_index(first))
    }
}

impl DecisionKind {
    /// The inputs that come from the network, among those that come from no context; where contexts are `few`, it has but one.
    #[inline(always)]
    pub fn network_inputs(self, few: bool) -> [Range<usize>; 2] {
        let first = if self == Self::Bit { NETWORK_INPUT } else { MATCHES };
        match self {
            Self::Bit if !few => [first..first + 2, NETWORK_MAP_INPUT..NETWORK_MAP_INPUT + 1],
            _ => [first..first + 1, 0..0],
        }
    }

    /// The inputs of the last row that come from expected numbers.
    #[inline(always)]
    pub fn number_inputs(self) -> Range<usize> {
        match self {
            Self::Bit => NUMBER_INPUTS,
            Self::Byte | Self::Half => MATCHES + 2..MATCHES + 2 + GUIDES,
        }
    }
}

impl Evidence<'_> {
    /// Adds what the experts said to `credit`, once the answer is known.
    #[inline(always)]
    pub fn thank(&self, answer: bool, credit: &mut Credit) {
        match self {
            Evidence::Certain(certain) => certain.thank(answer, credit),
            Evidence::Mixed(mixed) => mixed.thank(answer, credit),
        }
    }
}

impl Certain<'_> {
    #[inline(always)]
    fn thank(&self, answer: bool, credit: &mut Credit) {
        let octaves = logistic::tables().stretch(self.yes.into());
        for (&context, &claims) in self.contexts.iter().zip(&self.claims) {
            if claims {
                credit.0[context] += if answer { octaves } else { -octaves };
            }
        }
    }
}

impl Mixed<'_> {
    #[inline(always)]
    fn thank(&self, answer: bool, credit: &mut Credit) {
        let sign = if answer { 1 } else { -1 };
        let others = self.inputs.len() - 1;
        self.mixers.shares(self.selection, self.inputs, |row, shares| {
            let others_start = if row < others { WIDTH } else { self.others_start };
            let (of_contexts, shares) = shares.split_at(others_start);
            let first = row % self.groups * WIDTH;
            for (credit, share) in credit.0[first..].iter_mut().zip(of_contexts) {
                *credit += sign * share;
            }
            if row < others {
                return;
            }
            let per_match = if self.kind == DecisionKind::Bit { 2 } else { 1 };
            for number in 0..MATCHES {
                let shares = &shares[number * per_match..][..per_match];
                credit.0[CONTEXTS + number] += sign * shares.iter().sum::<i32>();
            }
            let [network, mapped] =
                self.kind.network_inputs(self.others_start > 0).map(|inputs| (Expert::Network, inputs));
            for (expert, inputs) in [network, mapped, (Expert::Numbers, self.kind.number_inputs())] {
                credit.0[expert.index()] += sign * shares.iter().take(inputs.end).skip(inputs.start).sum::<i32>();
            }
        });
    }
}
