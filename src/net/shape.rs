//! The shape of a network: every size that its weights and its arithmetic follow from.

use crate::error::{Error, ErrorKind, Result};
use crate::layout::Position;
use crate::limits;

/// Number of inputs whose embeddings are summed: previous byte, field, offset, byte above, foretold byte and how far what
/// was foretold has held, byte to the left.
pub const INPUTS: usize = 7;
/// How far what was foretold has held: states told apart.
pub const FORETOLD_STATES: usize = 8;

/// Sizes of a decoder-only byte transformer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Width `d` of the residual stream.
    pub width: u16,
    /// Number of layers.
    pub layers: u8,
    /// Query heads a layer, each `width / heads` wide; all share one key head and one value head.
    pub heads: u8,
    /// Width of the feed-forward layer.
    pub hidden: u16,
    /// Positions that attention looks back on, the current one included.
    pub window: u16,
    /// Rows of the field embedding; larger field numbers use the last row.
    pub fields: u16,
    /// Rows of the offset embedding; larger offsets use the last row.
    pub offsets: u16,
    /// The byte values that occur in the file, ascending: the rows of the output, and of the embeddings of the
    /// previous byte and of the byte above, which have one more row at the end for "none".
    pub alphabet: Vec<u8>,
    /// Whether the network rests at a place: for each row of the field embedding, those of the offset embedding; or nothing
    /// if it rests nowhere. Bytes at such places it neither predicts nor sees.
    pub resting: Vec<bool>,
}

impl Shape {
    /// The number of a position's place, where a network may rest.
    #[inline(always)]
    pub fn place(&self, position: &Position) -> usize {
        let (field, offset) = (position.field.min(self.fields - 1), position.offset.min(self.offsets - 1));
        usize::from(field) * usize::from(self.offsets) + usize::from(offset)
    }

    /// Number of places.
    pub fn places(&self) -> usize {
        usize::from(self.fields) * usize::from(self.offsets)
    }

    /// Whether the network rests at a position.
    #[inline(always)]
    pub fn rests_at(&self, position: &Position) -> bool {
        self.resting.get(self.place(position)).is_some_and(|&rests| rests)
    }

    /// Width of one head.
    pub fn head_width(&self) -> usize {
        usize::from(self.width) / usize::from(self.heads)
    }

    /// Rows of the embedding table of each input, in the order of [`INPUTS`].
    pub fn input_rows(&self) -> [usize; INPUTS] {
        let bytes = self.alphabet.len() + 1;
        [bytes, self.fields.into(), self.offsets.into(), bytes, bytes, FORETOLD_STATES, bytes]
    }

    /// Number of weights and biases.
    pub fn parameters(&self) -> usize {
        let (d, hidden) = (usize::from(self.width), usize::from(self.hidden));
        let attention = 2 * d * d + 2 * d * self.head_width() + usize::from(self.heads) * usize::from(self.window);
        let embeddings: usize = self.input_rows().iter().map(|rows| rows * d).sum();
        embeddings + usize::from(self.layers) * (attention + 2 * d * hidden) + self.alphabet.len() * d
    }

    /// About the bytes of memory that the weights take, as decoded and as the kernels want them.
    pub fn memory(&self) -> u64 {
        2 * self.parameters() as u64
    }

    /// About the bytes of memory that a [`super::Session`] takes, most of it in the KV cache.
    pub fn session_memory(&self) -> u64 {
        (usize::from(self.layers) * usize::from(self.window) * 2 * self.head_width() * size_of::<i16>()) as u64
    }

    /// Whether the sizes agree with each other and with [`crate::limits`].
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] for a network that is too large, [`ErrorKind::Damaged`] for one that cannot be.
    pub fn check(&self) -> Result<()> {
        let (width, hidden, window) = (usize::from(self.width), usize::from(self.hidden), usize::from(self.window));
        let heads = usize::from(self.heads);
        let whole = width > 0 && heads > 0 && width % heads == 0 && (width / heads) % 16 == 0;
        if !whole || hidden == 0 || hidden % 16 != 0 || window == 0 || window % 64 != 0 {
            return Err(Error::damaged(format!("a network of width {width}/{heads}, {hidden}, window {window}")));
        }
        if self.fields == 0 || self.offsets == 0 || self.alphabet.is_empty() {
            return Err(Error::damaged("a network without inputs or outputs"));
        }
        let small = width <= limits::NETWORK_STREAM && hidden <= limits::NETWORK_WIDTH && window <= limits::WINDOW;
        let layers = usize::from(self.layers);
        if !small || layers > limits::LAYERS || self.parameters() > limits::PARAMETERS || self.places() > limits::PLACES
        {
            let what =
                format!("a network of {layers} layers, width {width}, {hidden}, window {window} is over the limit");
            return Err(Error::new(ErrorKind::Limit, what));
        }
        Ok(())
    }
}
