//! The integer transformer.

mod shape;
mod weights;

pub use shape::{INPUTS, Shape};
pub use weights::{Embedding, Layer, Matrix, Weights};
