//! Bytes that are all but certain: before anything else is looked up, two contexts are asked. Where one of them has
//! long remembered the same byte, a single decision on that byte comes first, and mostly it is the last.

use super::apm::Cell;
use super::evidence::{Certain, Evidence};
use super::experts::FINAL_SETS;
use super::matching::{MATCHES, Match};
use super::memories::Recalled;
use crate::net::Distribution;

/// Contexts that are asked.
pub const ASKED: usize = 2;
/// Claims are told apart by which contexts make them, and by what match models say to them.
const KINDS: usize = 3;
const REACTIONS: usize = 3;
/// A new cell's probability in 1/65536.
const FIRST: u32 = 65_200;

/// How far certain bytes have been right.
pub struct Certainty {
    /// A claim below this probability, in 1/65536, is not decided on.
    least: u32,
    /// By final weight set, kind and reaction.
    cells: Vec<Cell>,
}

/// What the contexts asked claim of the present byte.
#[derive(Clone, Default)]
pub struct Claim {
    pub recalled: [Recalled; ASKED],
    /// The byte that is claimed, and the cell for whether it is right.
    claimed: Option<(u8, usize)>,
    is_decided: bool,
}

impl Certainty {
    pub fn new(least: u32) -> Self {
        Self { least, cells: vec![Cell::new(FIRST); FINAL_SETS * KINDS * REACTIONS] }
    }

    /// The byte to decide on where `place` is the final weight set, with the probability in 1/65536 that it comes, if what is
    /// recalled claims one and such claims have been right often enough.
    #[inline(always)]
    pub fn choose(&self, claim: &mut Claim, place: usize, matches: &[Match; MATCHES]) -> Option<(u8, u16)> {
        (claim.claimed, claim.is_decided) = (None, false);
        let [first, second] = claim.recalled.each_ref().map(Recalled::certain_byte);
        let byte = first.or(second)?;
        let kind = match (first, second) {
            (Some(first), Some(second)) if first == second => 2,
            (Some(_), _) => 1,
            _ => 0,
        };
        let said = matches.iter().filter_map(Match::predicted);
        let reaction = said.fold(0, |reaction, said| reaction.max(if said == byte { 1 } else { 2 }));
        let cell = (place * KINDS + kind) * REACTIONS + reaction;
        let probability = self.cells[cell].probability();
        claim.claimed = Some((byte, cell));
        claim.is_decided = probability >= self.least;
        claim.is_decided.then_some((byte, probability.clamp(1, 65535) as u16))
    }

    /// Learns whether what was claimed is right: `byte` was coded.
    #[inline(always)]
    pub fn learn(&mut self, claim: &Claim, byte: u8) {
        if let Some((claimed, cell)) = claim.claimed {
            self.cells[cell].update(claimed == byte, 255);
        }
    }
}

impl Claim {
    /// Whether the claim was decided on.
    #[inline(always)]
    pub fn is_decided(&self) -> bool {
        self.is_decided
    }

    /// Whether the claim was decided on and `byte` is what it said.
    #[inline(always)]
    pub fn has_settled(&self, byte: u8) -> bool {
        self.is_decided && self.claimed.is_some_and(|(claimed, _)| claimed == byte)
    }

    /// What the decision on `byte` with a probability of `yes`/65536 was made from.
    #[inline(always)]
    pub fn evidence<'a>(
        &self,
        (byte, yes): (u8, u16),
        contexts: [usize; ASKED],
        matches: &'a [Match; MATCHES],
        network: Option<&'a Distribution>,
    ) -> Evidence<'a> {
        let claims = self.recalled.each_ref().map(|recalled| recalled.certain_byte() == Some(byte));
        Evidence::Certain(Certain { byte, yes, contexts, claims, matches, network })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::memories::Memories;
    use crate::predict::vector::Portable;

    /// Codes `byte` after two contexts that are always the same; returns what was decided on before.
    fn code(certainty: &mut Certainty, memories: &mut Memories, byte: u8) -> Option<u8> {
        let mut claim = Claim { recalled: [1, 2 << 40].map(|hash| memories.find(hash)), ..Claim::default() };
        let chosen = certainty.choose(&mut claim, 0, &[Match::default(); MATCHES]);
        certainty.learn(&claim, byte);
        memories.learn_found::<Portable>(&claim.recalled, byte);
        chosen.map(|(byte, _)| byte)
    }

    #[test]
    fn a_byte_is_certain_once_it_has_come_31_times_in_a_row() {
        let (mut certainty, mut memories) = (Certainty::new(60_000), Memories::new(12));
        let decided: Vec<_> = (0..40).map(|_| code(&mut certainty, &mut memories, b'x')).collect();
        assert_eq!(decided.iter().position(Option::is_some), Some(31));
        assert!(decided[31..].iter().all(|&byte| byte == Some(b'x')));
        code(&mut certainty, &mut memories, b'y');
        assert_eq!(code(&mut certainty, &mut memories, b'x'), None);
    }

    #[test]
    fn where_claims_have_been_wrong_none_is_decided_on() {
        let (mut certainty, mut memories) = (Certainty::new(65_000), Memories::new(12));
        for _ in 0..20 {
            (0..40).for_each(|_| _ = code(&mut certainty, &mut memories, b'x'));
            code(&mut certainty, &mut memories, b'y');
        }
        let decided = (0..40).filter_map(|_| code(&mut certainty, &mut memories, b'x')).count();
        assert!(decided < 5, "{decided}");
    }
}
