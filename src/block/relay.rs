//! One block on two threads: while one steps the network for half of the lanes, the other codes the other half.
//!
//! The adaptive tables stay in the coding thread's cache. Both threads wait by spinning, since a turn takes a few
//! microseconds. Where one waits for long, the machine has other work for the processors: then the coding thread does
//! the network's turn itself, and the network's thread sleeps for a moment.

use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Block, Observer};
use crate::coder::BitCoder;
use crate::error::Result;
use crate::net::{Distribution, Input, Network, Team};
use crate::progress::Progress;

/// Codes the block with its lanes in two teams.
pub(super) fn run<C: BitCoder, O: Observer>(
    block: &mut Block<'_, C, O>,
    network: &Network,
    progress: &dyn Progress,
) -> Result<()> {
    let middle = block.lanes.len().div_ceil(2);
    let relays = [0..middle, middle..block.lanes.len()].map(|lanes| Relay::new(lanes, network));
    for relay in &relays {
        relay.lanes.clone().try_for_each(|lane| block.code_while_it_rests(lane, network))?;
        relay.ask(block);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| predict(network, &relays));
        let _closing = Closing(&relays);
        block.each_step(progress, |block, _| {
            for relay in &relays {
                if !relay.wait_for_answer(network) {
                    break; // The network's thread has panicked, which the scope passes on.
                }
                block.code_predicted(relay.lanes.clone(), &relay.lock().predictions, network)?;
                relay.ask(block);
            }
            Ok(())
        })
    })
}

/// Answers the questions of the two teams, in turn, until they are closed.
fn predict(network: &Network, relays: &[Relay; 2]) {
    let _closing = Closing(relays);
    let mut waits = 0u32;
    loop {
        let mut has_answered = false;
        for relay in relays {
            has_answered |= relay.answer(network);
            if relay.turn.load(Ordering::Acquire) == CLOSED {
                return;
            }
        }
        waits = if has_answered { 0 } else { waits.saturating_add(1) };
        match waits {
            0..=SPINS => std::hint::spin_loop(),
            _ => std::thread::sleep(NAP),
        }
    }
}

/// The inputs are set: the network's turn.
const ASKED: u8 = 0;
/// Somebody steps the network.
const TAKEN: u8 = 1;
/// The predictions are set: the coder's turn.
const ANSWERED: u8 = 2;
/// One of the two has ended.
const CLOSED: u8 = 3;

/// Turns to spin before the other is taken to be out of work.
const SPINS: u32 = 2000;
/// How long the network's thread then sleeps.
const NAP: Duration = Duration::from_micros(200);

/// What the two threads hand each other for one team of lanes.
struct Relay {
    lanes: Range<usize>,
    turn: AtomicU8,
    /// Locked only by the thread whose turn it is, so that nobody ever waits for it.
    exchange: Mutex<Exchange>,
}

struct Exchange {
    team: Team,
    inputs: Vec<Input>,
    predictions: Vec<Distribution>,
}

impl Relay {
    fn new(lanes: Range<usize>, network: &Network) -> Self {
        let exchange = Exchange {
            team: network.team(lanes.len()),
            inputs: vec![Input::default(); lanes.len()],
            predictions: vec![Distribution::uniform(); lanes.len()],
        };
        Self { lanes, turn: AtomicU8::new(ANSWERED), exchange: Mutex::new(exchange) }
    }

    /// Asks for the next predictions of the team's lanes.
    fn ask<C: BitCoder, O: Observer>(&self, block: &Block<'_, C, O>) {
        block.look(self.lanes.clone(), &mut self.lock().inputs);
        self.pass(ANSWERED, ASKED);
    }

    /// Steps the network if it was asked for and nobody does yet; returns whether it was so.
    fn answer(&self, network: &Network) -> bool {
        if !self.pass(ASKED, TAKEN) {
            return false;
        }
        {
            let Exchange { team, inputs, predictions } = &mut *self.lock();
            network.step(team, inputs, predictions);
        }
        self.pass(TAKEN, ANSWERED)
    }

    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the predictions, or makes them if nobody does for long; false if they will never come.
    fn wait_for_answer(&self, network: &Network) -> bool {
        let mut spins = 0u32;
        loop {
            match self.turn.load(Ordering::Acquire) {
                ANSWERED => return true,
                CLOSED => return false,
                _ if spins < SPINS => std::hint::spin_loop(),
                ASKED => {
                    self.answer(network);
                }
                _ => std::thread::yield_now(),
            }
            spins += 1;
        }
    }

    /// Hands over from one turn to the next; false if it was another's turn, or one of the two has ended.
    fn pass(&self, from: u8, to: u8) -> bool {
        self.turn.load(Ordering::Relaxed) == from
            && self.turn.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// Closes the relays when its thread ends, in whatever way.
struct Closing<'a>(&'a [Relay; 2]);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        for relay in self.0 {
            relay.turn.store(CLOSED, Ordering::Release);
        }
    }
}
