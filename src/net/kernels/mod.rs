//! The primitives that the network's step is made of, one file an instruction set.
//!
//! Every kernel computes the same integers: plain Rust in [`scalar`], all others by the algorithms of `vectors`.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
#[cfg(target_arch = "aarch64")]
pub mod neon;
pub mod scalar;
mod vectors;

use super::weights::Matrix;

/// What the multi-query attention of one layer needs to know, besides its cache.
pub struct AttentionShape {
    /// Query heads.
    pub heads: usize,
    /// Width of one head, a multiple of 4.
    pub head_width: usize,
    /// Length of the ring, a multiple of 64.
    pub window: usize,
    /// Scores are in units of `2^−(4 + score_shift)` octave.
    pub score_shift: u8,
}

/// One instruction set. Activations are 8-bit; "offset by 128" means that the byte `a` stands for `a − 128`.
pub trait Kernel: Copy + Send + Sync + 'static {
    /// A weight matrix as this kernel reads it.
    type Packed: Send + Sync;
    /// The keys and values of one layer, and room to attend to them.
    type Cache: Clone + Send + Sync;

    /// Packs a matrix whose inputs are offset by 128 (`offset`), or are not.
    fn pack(self, matrix: &Matrix, offset: bool) -> Self::Packed;

    /// Multiplies the matrix with a vector and requantises: `inputs` has its columns, `outputs` its rows.
    fn product(self, matrix: &Self::Packed, inputs: &[u8], outputs: &mut [i16]);

    /// Scales a vector of the residual stream to unit root mean square, in 1/32, offset by 128.
    fn normalise(self, stream: &[i16], root_width: u32, outputs: &mut [u8]);

    /// An empty cache.
    fn cache(self, shape: &AttentionShape) -> Self::Cache;

    /// Puts a key (within ±127) and a value (within ±63) into a slot of the ring.
    fn remember(self, cache: &mut Self::Cache, shape: &AttentionShape, slot: usize, key: &[i16], value: &[i16]);

    /// Attends with every head. `queries` is `heads × head_width` within ±63; `bias` holds, per head, `2·window − 1`
    /// numbers whose part from `start` on belongs to the slots 0, 1, …; `outputs` is offset by 128.
    fn attend(
        self,
        cache: &mut Self::Cache,
        shape: &AttentionShape,
        queries: &[i8],
        bias: &[i32],
        start: usize,
        outputs: &mut [u8],
    );

    /// The softmax leaf of each logit: `power_of_two` of its distance to the largest.
    fn leaves(self, logits: &[i16], outputs: &mut [u32]);
}

/// Added to the score of a slot that holds nothing yet: its exponential is zero.
pub const EMPTY_SLOT: i32 = -(1 << 30);
