//! The probability of the next bit: hashed contexts, match models and the network's log-odds, mixed.
//!
//! Everything here is integer arithmetic, specified in the format's chapter below, so that encoder and decoder agree
//! on every machine.
#![doc = include_str!("FORMAT.md")]

#[cfg(feature = "reports")]
mod ablation;
mod apm;
mod beginnings;
mod certain;
mod evidence;
mod expected;
mod experts;
mod follower;
mod logistic;
mod matching;
mod memories;
mod mixer;
mod model;
mod numbers;
mod slots;
mod states;
mod vector;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::layout::{Layout, Position};
use crate::limits;
use crate::net::{Distribution, Input, Instructions};

#[cfg(feature = "reports")]
pub use ablation::{Ablation, Part};
pub use beginnings::Beginnings;
#[cfg(feature = "reports")]
pub use beginnings::Learned;
pub use evidence::{Credit, Evidence, Expert};
use expected::Least;
use experts::{Experts, FEW};
pub use follower::Follower;
use model::{Model, Situation};
use numbers::Numbers;
use vector::{Portable, Vector};

/// How much memory the adaptive tables take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub struct Tables {
    /// Base-2 logarithm of the lines of 64 bytes that all contexts share, 14 to 25. More than sixteen to thirty-two lines for
    /// each of the block's bytes are not made.
    pub bits: u8,
    /// How much is done for a byte.
    pub effort: Effort,
}

impl Tables {
    /// Fewer lines are not made, whatever [`Self::bits`] says, and no more than the most.
    pub const LEAST_BITS: u8 = 14;
    const MOST_BITS: u8 = limits::TABLE_BITS;
}

/// The effort above five bits for [`Tables::bits`].
impl From<Tables> for u8 {
    fn from(tables: Tables) -> Self {
        (tables.effort as u8) << 5 | tables.bits & 31
    }
}

impl TryFrom<u8> for Tables {
    type Error = String;

    fn try_from(byte: u8) -> std::result::Result<Self, String> {
        let effort = match byte >> 5 {
            0 => Effort::Fast,
            1 => Effort::Quick,
            2 => Effort::Normal,
            3 => Effort::Full,
            unknown => return Err(format!("an effort of number {unknown}")),
        };
        Ok(Self { bits: byte & 31, effort })
    }
}

/// How much is done for a byte, in the order of speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Eight contexts and four mixers; bytes that are likely are expected, and so are the upper halves of others.
    Fast,
    /// Sixteen contexts and four mixers; bytes that are likely are expected, and cost a single decision.
    Quick,
    /// 32 contexts but on delimited text, eight mixers on plain text; bytes that are next to certain are expected.
    Normal,
    /// The same with eight mixers for every bit of every byte that is not certain.
    Full,
}

impl Effort {
    /// How many contexts there are.
    fn contexts(self, experts: Experts) -> usize {
        match (self, experts) {
            (Effort::Fast, _) => FEW,
            (Effort::Quick, _) | (_, Experts::Rows) => 16,
            _ => 32,
        }
    }

    /// Whether contexts have an input from the map of their slots' states.
    fn maps_states(self) -> bool {
        self != Effort::Fast
    }

    /// Whether bits have eight mixers, not four.
    fn has_eight_mixers(self, experts: Experts) -> bool {
        match self {
            Effort::Fast | Effort::Quick => false,
            Effort::Normal => experts == Experts::Text,
            Effort::Full => true,
        }
    }

    /// The probability in 1/65536 from which on a byte is certain.
    fn least_certain(self) -> u32 {
        match self {
            Effort::Fast => 64_000,
            Effort::Quick => 65_000,
            Effort::Normal => 65_400,
            Effort::Full => 65_500,
        }
    }

    /// When a byte is expected, and when the upper half of another, if ever.
    fn expects(self, experts: Experts) -> Option<(Least, Option<Least>)> {
        let (chance, trust) = match (self, experts) {
            (Effort::Fast, _) => (50_000, 50_000),
            (Effort::Quick, Experts::Records) => (63_000, 0),
            (Effort::Quick, _) => (60_000, 60_000),
            (Effort::Normal, Experts::Records) => (65_450, 0),
            (Effort::Normal, _) => (64_000, 65_300),
            (Effort::Full, _) => return None,
        };
        let least = Least { chance, trust };
        Some((least, (self == Effort::Fast || experts == Experts::Rows).then_some(least)))
    }
}

/// Predicts the bytes of one block, bit by bit, and learns from each. Encoder and decoder run the same one.
pub struct Predictor {
    block: Vec<u8>,
    /// How many of its bytes are coded.
    coded: usize,
    situation: Situation,
    model: Model,
    build: Build,
}

/// The instruction set that the same code was compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Build {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// A yes or no that a byte is coded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Is it this byte?
    Byte(u8),
    /// Has it the upper half of this byte?
    Half(u8),
    /// Is this bit a one, counted from the highest, 0?
    Bit(usize),
}

impl Decision {
    /// The answer for `byte`.
    pub fn of(self, byte: u8) -> bool {
        match self {
            Decision::Byte(expected) => byte == expected,
            Decision::Half(expected) => byte >> 4 == expected >> 4,
            Decision::Bit(index) => byte << index & 128 != 0,
        }
    }
}

/// Gives the answers to the predictor's decisions, each with the probability of a yes in 1/65536.
pub trait Answers {
    /// The answer, which an encoder knows and a decoder reads; `evidence` is what the probability was made from.
    ///
    /// # Errors
    /// Whatever stops the coding.
    fn answer(&mut self, decision: Decision, yes: u16, evidence: &Evidence<'_>) -> Result<bool>;
}

impl<F: FnMut(Decision, u16) -> Result<bool>> Answers for F {
    #[inline(always)]
    fn answer(&mut self, decision: Decision, yes: u16, _: &Evidence<'_>) -> Result<bool> {
        self(decision, yes)
    }
}

/// What a network says of the next byte, if there is one.
pub trait Oracle {
    /// What it has said already.
    fn known(&self) -> Option<&Distribution>;

    /// What it says.
    fn ask(&mut self) -> Option<&Distribution>;
}

/// There is no network.
impl Oracle for () {
    fn known(&self) -> Option<&Distribution> {
        None
    }

    fn ask(&mut self) -> Option<&Distribution> {
        None
    }
}

impl Predictor {
    /// A predictor for one block of `length` bytes; `instructions` change the speed only.
    pub fn new(layout: &Layout, tables: Tables, length: usize, instructions: Instructions) -> Self {
        Self::beginning_with(Beginnings::OURS, layout, tables, length, instructions)
    }

    /// The same with other beginnings.
    pub fn beginning_with(
        beginnings: Beginnings,
        layout: &Layout,
        tables: Tables,
        length: usize,
        instructions: Instructions,
    ) -> Self {
        let model = Model::new(Experts::new(layout), tables.effort, table_bits(tables, length), beginnings);
        Self {
            block: vec![0; length],
            coded: 0,
            situation: Situation::new(layout, &model),
            model,
            build: Build::of(instructions),
        }
    }

    /// About the bytes of memory that every block takes, whatever its tables and length: most are in the two final maps.
    pub const FIXED_MEMORY: u64 = (29 << 20) + Numbers::MEMORY;

    /// Bytes of memory that a block of `length` bytes takes in tables and for itself, beside [`Self::FIXED_MEMORY`].
    pub fn memory(tables: Tables, length: usize) -> u64 {
        (Model::LINE_MEMORY << table_bits(tables, length)) + length as u64
    }

    /// Where the next byte stands.
    #[inline(always)]
    pub fn position(&self) -> Position {
        self.situation.position()
    }

    /// What the network, which has last predicted `previous`, is told about the next byte.
    pub fn input(&self, previous: Option<u8>) -> Input {
        self.situation.input(previous)
    }

    /// Codes the next byte, in binary decisions, which `code` answers, and returns it. `network` is asked only if the byte is not one
    /// that is certain.
    ///
    /// # Errors
    /// Only those of `code`.
    pub fn code_byte(&mut self, network: &mut impl Oracle, code: &mut impl Answers) -> Result<u8> {
        match self.build {
            Build::Portable => self.code_byte_portable(network, code),
            // SAFETY: the build was chosen after the processor was found to have its instructions.
            #[cfg(target_arch = "x86_64")]
            Build::Avx2 => unsafe { self.code_byte_avx2(network, code) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Build::Avx512 => unsafe { self.code_byte_avx512(network, code) },
        }
    }

    /// What the block has taught that others may begin with.
    #[cfg(feature = "reports")]
    pub fn learned(&self) -> Learned {
        self.model.learned()
    }

    /// How many bytes are coded.
    pub fn coded(&self) -> usize {
        self.coded
    }

    /// Whether all are.
    #[inline(always)]
    pub fn has_ended(&self) -> bool {
        self.coded == self.block.len()
    }

    /// The block's bytes. Those not coded are 0.
    pub fn into_bytes(self) -> Vec<u8> {
        self.block
    }

    /// Not a part of each caller, of which there are several.
    #[inline(never)]
    fn code_byte_portable(&mut self, network: &mut impl Oracle, code: &mut impl Answers) -> Result<u8> {
        self.code_byte_any::<Portable>(network, code)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn code_byte_avx2(&mut self, network: &mut impl Oracle, code: &mut impl Answers) -> Result<u8> {
        self.code_byte_any::<vector::Avx2>(network, code)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn code_byte_avx512(&mut self, network: &mut impl Oracle, code: &mut impl Answers) -> Result<u8> {
        self.code_byte_any::<vector::Avx512>(network, code)
    }

    #[inline(always)]
    fn code_byte_any<V: Vector>(&mut self, network: &mut impl Oracle, code: &mut impl Answers) -> Result<u8> {
        let byte = self.model.code_byte::<V>(&mut self.situation, network, code)?;
        self.block[self.coded] = byte;
        self.coded += 1;
        self.situation.advance(&mut self.model, &self.block[..self.coded]);
        self.model.learn::<V>(&mut self.situation, byte);
        Ok(byte)
    }
}

impl Build {
    /// The build for `instructions`, if the processor has them.
    fn of(instructions: Instructions) -> Self {
        match instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 if Self::has_avx2() && is_x86_feature_detected!("avx512f") => Self::Avx512,
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 | Instructions::AvxVnni if Self::has_avx2() => Self::Avx2,
            _ => Self::Portable,
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
    }
}

/// The tables' size for a block of `length` bytes.
fn table_bits(tables: Tables, length: usize) -> u32 {
    let useful = usize::BITS - length.leading_zeros() + 4;
    u32::from(tables.bits.min(Tables::MOST_BITS)).min(useful).max(Tables::LEAST_BITS.into())
}

#[cfg(test)]
mod tests;
