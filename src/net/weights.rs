//! The rounded weights of a network, as the archive carries them.

use super::shape::{INPUTS, Shape};

/// A weight matrix with what brings its products back to 16 bits.
///
/// For an input vector `a` the output row `r` is, in integers,
/// `acc = Σᵢ a[i]·weights[r][i]` (32 bits), `t = saturate16(acc >> shift)`, `out = (t·multipliers[r] + 2¹⁴) >> 15`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Row by row, each in −63…63.
    pub weights: Vec<i8>,
    /// One factor a row, in 2⁻¹⁵, not negative.
    pub multipliers: Vec<i16>,
    /// Shift of the 32-bit sum, 0…16.
    pub shift: u8,
}

impl Matrix {
    /// The sum of each row's weights.
    pub(super) fn row_sums(&self) -> impl Iterator<Item = i32> + '_ {
        self.weights.chunks_exact(self.columns).map(|row| row.iter().map(|&weight| i32::from(weight)).sum())
    }
}

/// An embedding table: the row `r` adds `(rows[r][i]·multiplier + 2⁷) >> 8` to element `i` of the residual stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedding {
    /// Row by row, `width` each, in −63…63.
    pub weights: Vec<i8>,
    /// The table's factor, in 2⁻⁸.
    pub multiplier: u16,
}

/// One decoder layer: `x += attention(norm(x))`, then `x += down(relu(up(norm(x))))`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `width × width`; the outputs of head `h` are the rows `h·head_width…`.
    pub query: Matrix,
    /// `2·head_width × width`: the key's rows, then the value's.
    pub key_value: Matrix,
    /// `heads × window`, by head and then by distance 0…window−1, in 1/256 octave.
    pub position_bias: Vec<i16>,
    /// Scores are in units of `2^−(4 + score_shift)` octave; 0…16.
    pub score_shift: u8,
    /// `width × width`, from the heads' outputs side by side.
    pub attention_output: Matrix,
    /// `hidden × width`.
    pub up: Matrix,
    /// `width × hidden`.
    pub down: Matrix,
}

/// A whole network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Its sizes.
    pub shape: Shape,
    /// One table an input, in the order of [`INPUTS`].
    pub embeddings: [Embedding; INPUTS],
    /// The layers, first to last.
    pub layers: Vec<Layer>,
    /// `alphabet × width`: the logits, in 1/1024 octave.
    pub output: Matrix,
}
