//! What a level means: the shape of the network, how long it trains, the context tables and blocks.

use std::num::NonZeroU64;

use crate::layout::Layout;
use crate::limits;
use crate::net::Shape;
use crate::options::NetworkChoice;
use crate::predict::{Effort, Tables};

/// What a network is hoped to save, in thousandths of what contexts alone make of a table. It was seen to save 34 of 4 MB of
/// trip records after learning from 8 MB, and saves more after learning from more. A training that was begun for
/// nothing ends at the probe.
const HOPE: u64 = 40;
const HIGH_HOPE: u64 = 60;
/// Times as much is hoped of what is no table, where contexts know less: of 6 MB of places with their names in many scripts a network
/// saved 150.
const HOPE_TIMES: u64 = 3;

/// What each level grants, from level 1 on.
pub const LEVELS: [Level; 9] = [
    Level { tables: tables(16, Effort::Fast), network: None, block: SHORT_BLOCK },
    Level { tables: tables(18, Effort::Fast), network: None, block: SHORT_BLOCK },
    Level { tables: tables(20, Effort::Fast), network: None, block: SHORT_BLOCK },
    Level { tables: tables(22, Effort::Quick), network: network(64, 8 << 20, HOPE), block: SHORT_BLOCK },
    Level { tables: tables(23, Effort::Normal), network: network(64, 16 << 20, HOPE), block: BLOCK },
    Level { tables: tables(23, Effort::Normal), network: network(64, 32 << 20, HOPE), block: BLOCK },
    Level { tables: tables(23, Effort::Full), network: network(64, 96 << 20, HIGH_HOPE), block: BLOCK },
    Level { tables: tables(24, Effort::Full), network: network(96, 160 << 20, HIGH_HOPE), block: BLOCK },
    Level { tables: tables(25, Effort::Full), network: network(96, 256 << 20, HIGH_HOPE), block: LONG_BLOCK },
];

const fn tables(bits: u8, effort: Effort) -> Tables {
    Tables { bits, effort }
}

const fn network(width: u16, training: u64, hope: u64) -> Option<NetworkLevel> {
    Some(NetworkLevel { width, layers: 3, window: 128, training, hope })
}

/// One row of [`LEVELS`].
#[derive(Clone, Copy, Debug)]
pub struct Level {
    /// The adaptive tables, and what is done for a byte.
    pub tables: Tables,
    /// The network, on the levels that have one.
    pub network: Option<NetworkLevel>,
    /// Bytes of a block at most.
    pub block: u64,
}

/// The network of a level.
#[derive(Clone, Copy, Debug)]
pub struct NetworkLevel {
    /// Width of the residual stream; 64 where contexts alone bring a file below 3 MB.
    pub width: u16,
    /// Layers.
    pub layers: u8,
    /// Positions that attention looks back on.
    pub window: u16,
    /// Bytes to learn from, counted as often as they are seen.
    pub training: u64,
    /// Thousandths of the archive that the network must be hoped to save for a training to begin.
    pub hope: u64,
}

/// What is done with one file.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The adaptive tables, and what is done for a byte.
    pub tables: Tables,
    /// Blocks to cut the file in.
    pub blocks: u32,
    /// A network to train, and then to keep if it pays.
    pub network: Option<NetworkPlan>,
}

/// A network to train.
#[derive(Clone, Debug)]
pub struct NetworkPlan {
    /// Its shape.
    pub shape: Shape,
    /// Bytes to learn from, counted as often as they are seen.
    pub training: u64,
    /// Thousandths of the archive that it is hoped to save.
    pub hope: u64,
    /// Percents of the file's bytes at which it does not rest.
    pub awake: u64,
    /// Whether to keep it even if it does not pay.
    pub forced: bool,
}

/// Longest block of most levels; restarting the adaptive state more often costs up to a quarter.
pub const BLOCK: u64 = 64 << 20;
/// The same of the level that is to be smallest: 99 MB of trip records took 0.6 % less in one block than in two.
const LONG_BLOCK: u64 = 128 << 20;
/// The same of the levels that are to be quick, so that more threads have something to do, and of files of nearly nothing.
pub const SHORT_BLOCK: u64 = 32 << 20;
/// Width of a network for a file that contexts alone bring below [`WIDE_FROM`] bytes.
const NARROW: u16 = 64;
/// 96 wide in place of 64, a network that learned from 12 MB of trip records five times saved 1.6 % more and took 49 KB more. One that
/// learns from a file but once, as at the levels in the middle, saves hardly more.
const WIDE_FROM: u64 = 3_000_000;
/// Width of a head.
const HEAD: u16 = 16;
/// Times the width: that of the feed-forward layer. Three layers of this weigh 3 to 5 % less than two with feed-forward layers of four times
/// the width. Archives were 2.7 % smaller of JSON, 0.7 % of prose, 0.5 % of trip records, and of databases by -2 to 2 %, as seeds spread.
const HIDDEN: u16 = 2;
/// Rows of the field and offset embeddings.
const FIELDS: u16 = 64;
const OFFSETS: u16 = 32;

/// The part of the budget, in percent, after which a network is probed: whether it may come to pay at all.
pub const PROBE_PERCENT: u32 = 10;
/// Parts in 10,000 of the archive that a network must save beyond its cost: restoring takes about twice as long with it.
const WORTHWHILE: u64 = 20;
/// How much a network saves at the end, in percent of what it saves at the probe: 340 and 390 on 20 and 99 MB of trip records, 360 on names
/// of places, 310 on prose, 280 on a database's table.
const GROWTH_PERCENT: u64 = 300;
/// What weights take in the end, in percent of what they take at the probe, when the network knows the file alone: 72 on trip records, 67 and 83 on
/// names of places, 59 on prose and on makers of network cards.
const WEIGHTS_PERCENT: u64 = 75;

/// What a probe of a network in training shows. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// What the network saves of a sample, in 1/10,000.
    pub saved: i64,
    /// What its weights take.
    pub weights: u64,
    /// What the parity of as many takes.
    pub parity: u64,
    /// About what contexts alone make of the whole file.
    pub coded: u64,
}

/// Whether a network that saves so many bytes of an archive of about `expected` is worth the `cost` of its weights and their parity.
pub fn is_worth_it(saved: u64, cost: u64, expected: u64) -> bool {
    saved > cost + expected * WORTHWHILE / 10_000
}

impl Probe {
    /// Whether the network may yet come to save enough.
    pub fn may_pay(&self) -> bool {
        is_worth_it(self.hoped_saving(), self.expected_cost(), self.coded)
    }

    /// What was decided and why, in words.
    pub fn verdict(&self) -> String {
        let Self { saved, coded, .. } = self;
        let (sign, saved) = (if *saved < 0 { "-" } else { "" }, saved.unsigned_abs());
        let saved = format!("{sign}{}.{:02} %", saved / 100, saved % 100);
        let seen = format!("after {PROBE_PERCENT} % of the training the network saves {saved} of a sample");
        let (hoped, cost) = (self.hoped_saving(), self.expected_cost());
        let hope = format!("it may come to save {hoped} of about {coded} bytes for {cost} of weights and their parity");
        let what = if self.may_pay() { "training goes on" } else { "training ends and the network is left out" };
        format!("{seen}: {hope}, so {what}")
    }

    fn expected_cost(&self) -> u64 {
        self.weights * WEIGHTS_PERCENT / 100 + self.parity
    }

    fn hoped_saving(&self) -> u64 {
        self.saved.max(0) as u64 * self.coded / 10_000 * GROWTH_PERCENT / 100
    }
}

impl Plan {
    /// The plan for `source` at a level of 1…9.
    pub fn new(level: u8, choice: NetworkChoice, source: &[u8]) -> Self {
        let level = LEVELS[usize::from(level.clamp(1, 9)) - 1];
        let network = match choice {
            NetworkChoice::Auto => level.network,
            NetworkChoice::None => None,
            NetworkChoice::Width(width) => match level.network {
                Some(network) => Some(NetworkLevel { width, ..network }),
                None => network(width, 8 << 20, HOPE),
            },
        };
        Self {
            tables: level.tables,
            blocks: blocks(source.len() as u64, level.block),
            network: network.filter(|_| !source.is_empty()).map(|network| NetworkPlan {
                shape: shape(&network, source),
                training: network.training,
                hope: network.hope,
                awake: 100,
                forced: choice != NetworkChoice::Auto,
            }),
        }
    }

    /// The same plan for a file of this `layout`.
    pub fn for_layout(mut self, layout: &Layout) -> Self {
        if let (Some(network), Layout::Plain | Layout::Records { .. }) = (&mut self.network, layout) {
            network.hope *= HOPE_TIMES;
        }
        self
    }

    /// The same plan for a file of `length` bytes with blocks of up to `longest` bytes, if that is asked for.
    pub fn with_blocks_of(self, longest: Option<NonZeroU64>, length: u64) -> Self {
        let Some(longest) = longest else { return self };
        let blocks = length.div_ceil(longest.get().min(limits::BLOCK_LENGTH)).min(limits::BLOCKS);
        Self { blocks: blocks as u32, ..self }
    }
}

impl NetworkPlan {
    /// The same for a file that contexts alone bring to about `coded` bytes: as wide as pays at best.
    pub fn with_width_for(mut self, coded: u64) -> Self {
        if !self.forced && coded < WIDE_FROM {
            set_width(&mut self.shape, NARROW);
        }
        self
    }

    /// Whether to train at all: whether the network can be hoped to save more than its weights cost, on a file that
    /// contexts alone bring to about `coded` bytes.
    pub fn is_worth_a_try(&self, coded: u64) -> bool {
        self.forced || self.hoped_saving(coded) > self.expected_cost()
    }

    /// Why no network is trained, in words.
    pub fn refusal(&self, coded: u64) -> String {
        let (saving, cost) = (self.hoped_saving(coded), self.expected_cost());
        format!("no network is trained: of about {coded} bytes it might save {saving}, and its weights take {cost}")
    }

    fn hoped_saving(&self, coded: u64) -> u64 {
        coded * self.hope / 1000
    }

    /// Weights were seen to take 2.4 to 3.2 bits each.
    fn expected_cost(&self) -> u64 {
        self.shape.parameters() as u64 * 3 / 8
    }
}

/// As few blocks as the `longest` length of one allows, but an even number of them, so that two threads end together.
fn blocks(length: u64, longest: u64) -> u32 {
    const { assert!(LONG_BLOCK <= limits::BLOCK_LENGTH) };
    match length.div_ceil(longest) {
        few @ 0..=1 => few as u32,
        many => many.next_multiple_of(2) as u32,
    }
}

fn shape(network: &NetworkLevel, source: &[u8]) -> Shape {
    let mut shape = Shape {
        layers: network.layers,
        window: network.window,
        fields: FIELDS,
        offsets: OFFSETS,
        alphabet: alphabet(source),
        ..Shape::default()
    };
    set_width(&mut shape, network.width);
    shape
}

fn set_width(shape: &mut Shape, width: u16) {
    (shape.width, shape.heads, shape.hidden) = (width, (width / HEAD) as u8, HIDDEN * width);
}

/// The byte values that occur, ascending.
fn alphabet(source: &[u8]) -> Vec<u8> {
    let mut occurs = [false; 256];
    source.iter().for_each(|&byte| occurs[usize::from(byte)] = true);
    (0..=255).filter(|&byte| occurs[usize::from(byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_few_large_and_even() {
        for (length, expected) in [(0, 0), (1, 1), (32 << 20, 1), ((32 << 20) + 1, 2), (99_337_367, 4), (1 << 30, 32)] {
            assert_eq!(blocks(length, 32 << 20), expected, "{length} bytes");
        }
    }

    #[test]
    fn networks_are_within_the_limits_and_never_for_nothing() {
        let bytes: Vec<u8> = (0..=255).collect();
        for level in 1..=9 {
            assert!(Plan::new(level, NetworkChoice::Auto, &[]).network.is_none());
            let network = Plan::new(level, NetworkChoice::Auto, &bytes).network;
            assert_eq!(network.is_some(), level >= 4, "level {level}");
            assert!(network.is_none_or(|network| network.shape.check().is_ok() && !network.is_worth_a_try(100_000)));
        }
    }

    #[test]
    fn more_is_hoped_of_what_is_no_table() {
        let table = Layout::Delimited { delimiter: b',', quote: None, schemas: Vec::new() };
        for (layout, expected) in [(table, false), (Layout::Plain, true), (Layout::Records { length: 8 }, true)] {
            let plan = Plan::new(6, NetworkChoice::Auto, b"a,b\n").for_layout(&layout);
            assert_eq!(plan.network.unwrap().is_worth_a_try(600_000), expected, "{layout:?}");
        }
    }

    #[test]
    fn a_network_that_cannot_come_to_pay_is_given_up() {
        let probe = |saved, coded| Probe { saved, weights: 60_000, parity: 5_000, coded };
        assert!(probe(100, 2_000_000).may_pay());
        assert!(!probe(80, 2_000_000).may_pay());
        assert!(!probe(5, 2_000_000).may_pay());
        assert!(!probe(-100, u64::MAX >> 20).may_pay());
        assert!(probe(5, 2_000_000).verdict().contains("left out"));
    }
}
