//! One block on two threads: while one steps the network for half of the lanes, the other codes the other half.
//!
//! The adaptive tables stay in the coding thread's cache. Both threads wait by spinning, since a turn takes a few
//! microseconds, and let others run if a turn takes longer.

use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Block;
use crate::coder::BitCoder;
use crate::error::Result;
use crate::net::{Distribution, Input, Network, Team};
use crate::progress::Progress;

/// Codes the block with its lanes in two teams.
pub(super) fn run<C: BitCoder>(block: &mut Block<'_, C>, network: &Network, progress: &dyn Progress) -> Result<()> {
    let middle = block.lanes.len().div_ceil(2);
    let relays = [0..middle, middle..block.lanes.len()].map(Relay::new);
    for relay in &relays {
        relay.ask(block);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| predict(network, &relays));
        let _closing = Closing(&relays);
        block.each_step(progress, |block, step| {
            for relay in &relays {
                if !relay.wait_for(ANSWERED) {
                    break; // The network's thread has panicked, which the scope passes on.
                }
                block.code(step, relay.lanes.clone(), Some(&relay.lock().predictions))?;
                relay.ask(block);
            }
            Ok(())
        })
    })
}

/// Answers every question of the two teams, in turn, until they are closed.
fn predict(network: &Network, relays: &[Relay; 2]) {
    let _closing = Closing(relays);
    let mut teams: [Team; 2] = relays.each_ref().map(|relay| network.team(relay.lanes.len()));
    for number in (0..2).cycle() {
        let relay = &relays[number];
        if !relay.wait_for(ASKED) {
            return;
        }
        {
            let Exchange { inputs, predictions } = &mut *relay.lock();
            network.step(&mut teams[number], inputs, predictions);
        }
        relay.pass(ANSWERED);
    }
}

/// The inputs are set: the network's turn.
const ASKED: u8 = 0;
/// The predictions are set: the coder's turn.
const ANSWERED: u8 = 1;
/// One of the two has ended.
const CLOSED: u8 = 2;

/// Turns to spin before others may run.
const SPINS: u32 = 2000;

/// What the two threads hand each other for one team of lanes.
struct Relay {
    lanes: Range<usize>,
    turn: AtomicU8,
    /// Locked only by the thread whose turn it is, so that nobody ever waits for it.
    exchange: Mutex<Exchange>,
}

struct Exchange {
    inputs: Vec<Input>,
    predictions: Vec<Distribution>,
}

impl Relay {
    fn new(lanes: Range<usize>) -> Self {
        let exchange = Exchange {
            inputs: vec![Input::default(); lanes.len()],
            predictions: vec![Distribution::uniform(); lanes.len()],
        };
        Self { lanes, turn: AtomicU8::new(ANSWERED), exchange: Mutex::new(exchange) }
    }

    /// Asks for the next predictions of the team's lanes.
    fn ask<C: BitCoder>(&self, block: &Block<'_, C>) {
        block.look(self.lanes.clone(), &mut self.lock().inputs);
        self.pass(ASKED);
    }

    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn; false if it will never come.
    fn wait_for(&self, turn: u8) -> bool {
        for spins in 1.. {
            match self.turn.load(Ordering::Acquire) {
                now if now == turn => return true,
                CLOSED => return false,
                _ if spins % SPINS == 0 => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
        false
    }

    /// Hands over, unless the other has ended.
    fn pass(&self, turn: u8) {
        // Only the one whose turn it is passes it on, and only an end can come between.
        let before = if turn == ASKED { ANSWERED } else { ASKED };
        let _ = self.turn.compare_exchange(before, turn, Ordering::Release, Ordering::Relaxed);
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
