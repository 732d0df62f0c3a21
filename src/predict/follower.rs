//! What the network is told about the byte to come.

use crate::layout::{Cursor, Layout};
use crate::net::Input;

use super::experts::Trail;

/// Follows bytes without predicting them, for a network that learns from them.
pub struct Follower {
    cursor: Cursor,
    trail: Trail,
}

impl Follower {
    /// At the start of a lane.
    pub fn new(layout: &Layout) -> Self {
        Self { cursor: layout.cursor(), trail: Trail::new(layout) }
    }

    /// Takes note of the last byte of `history`, the lane's bytes so far. Called once after each byte.
    pub fn advance(&mut self, history: &[u8]) {
        self.cursor.advance(history);
        self.trail.advance(&self.cursor, history);
    }

    /// What the network is told about the byte after `history`.
    pub fn input(&self, history: &[u8]) -> Input {
        input(&self.cursor, &self.trail, history)
    }
}

/// What the network is told about the byte after `history`.
pub(super) fn input(cursor: &Cursor, trail: &Trail, history: &[u8]) -> Input {
    let previous = history.last().copied();
    Input { previous, position: cursor.position(), foretold: trail.foretold(), left: trail.left() }
}
