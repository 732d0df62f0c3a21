//! What the network is told about the byte to come.

use crate::layout::{Cursor, Layout, Position};
use crate::net::Input;

use super::experts::Trail;

/// Follows bytes without predicting them, for a network that learns from them.
pub struct Follower {
    cursor: Cursor,
    trail: Trail,
}

impl Follower {
    /// At the start of a block.
    pub fn new(layout: &Layout) -> Self {
        Self { cursor: layout.cursor(), trail: Trail::new(layout) }
    }

    /// Takes note of the last byte of `history`, the block so far. Called once after each byte.
    pub fn advance(&mut self, history: &[u8]) {
        self.cursor.advance(history);
        self.trail.advance(&self.cursor, history);
    }

    /// Where the coming byte stands.
    pub fn position(&self) -> Position {
        self.cursor.position()
    }

    /// What the network, which has last predicted `previous`, is told about the coming byte.
    pub fn input(&self, previous: Option<u8>) -> Input {
        input(&self.cursor, &self.trail, previous)
    }
}

/// What the network, which has last predicted `previous`, is told about the coming byte.
pub(super) fn input(cursor: &Cursor, trail: &Trail, previous: Option<u8>) -> Input {
    Input { previous, position: cursor.position(), foretold: trail.foretold(), left: trail.left() }
}
