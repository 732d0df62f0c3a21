//! What the x86-64 kernels have in common: bytes in groups of four, as their dot products take them.

use super::super::weights::Matrix;
use super::AttentionShape;

/// Bytes for a dot product, by sixteen rows and then by four columns: `[16 rows][4 columns]` each.
pub fn weights(matrix: &Matrix) -> impl Iterator<Item = [i8; 64]> + '_ {
    let weight = |row: usize, column: usize| match row < matrix.rows {
        true => matrix.weights[row * matrix.columns + column],
        false => 0,
    };
    let groups = 0..matrix.rows.div_ceil(16);
    groups.flat_map(move |group| {
        (0..matrix.columns / 4).map(move |chunk| std::array::from_fn(|i| weight(16 * group + i / 4, 4 * chunk + i % 4)))
    })
}

/// Numbers of the rows, sixteen together, with zeros after the last.
pub fn by_sixteen<T: Copy + Default>(rows: &[T]) -> impl Iterator<Item = [T; 16]> + '_ {
    rows.chunks(16).map(|rows| std::array::from_fn(|i| rows.get(i).copied().unwrap_or_default()))
}

/// The keys and values of one lane and layer, and one head's scratch.
#[derive(Clone)]
pub struct Cache {
    /// `[head_width/4][window][4]`, offset by 128.
    pub keys: Vec<u8>,
    /// `[window/4][head_width][4]`.
    pub values: Vec<i8>,
    /// Scores by slot.
    pub scores: Vec<i32>,
    /// Exponentials of the scores.
    pub weights: Vec<u8>,
}

impl Cache {
    /// An empty ring.
    pub fn new(shape: &AttentionShape) -> Self {
        let length = shape.head_width * shape.window;
        Self {
            keys: vec![128; length],
            values: vec![0; length],
            scores: vec![0; shape.window],
            weights: vec![0; shape.window],
        }
    }

    /// Puts a key and a value into a slot.
    pub fn remember(&mut self, shape: &AttentionShape, slot: usize, key: &[i16], value: &[i16]) {
        for (i, &key) in key.iter().enumerate() {
            self.keys[(i / 4 * shape.window + slot) * 4 + i % 4] = (key + 128) as u8;
        }
        for (i, &value) in value.iter().enumerate() {
            self.values[(slot / 4 * shape.head_width + i) * 4 + slot % 4] = value as i8;
        }
    }

    /// Panics unless the lengths are those of the shape, in whole vectors.
    pub fn check(&self, shape: &AttentionShape) {
        assert!(shape.window.is_multiple_of(64) && shape.head_width.is_multiple_of(16));
        let length = shape.window * shape.head_width;
        assert!(self.keys.len() >= length && self.values.len() >= length);
        assert!(self.scores.len() >= shape.window && self.weights.len() >= shape.window);
    }
}
