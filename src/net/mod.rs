#![doc = include_str!("FORMAT.md")]

mod arithmetic;
mod codec;
mod distribution;
pub mod kernels;
mod shape;
mod step;
#[cfg(test)]
mod tests;
mod weights;

use crate::error::{Error, ErrorKind, Result};
use crate::layout::Position;
pub(crate) use arithmetic::logarithm;
pub use codec::{decode, encode};
pub use distribution::{Distribution, STRETCH_LIMIT};
use kernels::{Kernel, scalar::Scalar};
pub use shape::{INPUTS, Shape};
pub use step::{Foretold, Input};
use step::{Packed, State};
pub use weights::{Embedding, Layer, Matrix, Weights};

/// The instruction sets that a network can be stepped with. All give the same integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// Plain Rust.
    Scalar,
    /// 256-bit integer products of x86-64.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 256-bit dot products of x86-64 (AVX-VNNI).
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// 512-bit dot products of x86-64 (AVX-512 VNNI).
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 128-bit integer products of 64-bit Arm.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Instructions {
    /// All that this processor has, the slowest first.
    pub fn available() -> Vec<Self> {
        let mut available = vec![Self::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            available.extend(kernels::avx2::Avx2::detect().map(|_| Self::Avx2));
            available.extend(kernels::avx2::AvxVnni::detect().map(|_| Self::AvxVnni));
            available.extend(kernels::avx512::Avx512::detect().map(|_| Self::Avx512));
        }
        #[cfg(target_arch = "aarch64")]
        available.extend(kernels::neon::Neon::detect().map(|_| Self::Neon));
        available
    }

    /// The fastest that this processor has, or the one that the environment variable `NNCZ_KERNEL` names.
    pub fn choose() -> Result<Self> {
        let available = Self::available();
        let Ok(name) = std::env::var("NNCZ_KERNEL") else {
            return Ok(*available.last().unwrap_or(&Self::Scalar));
        };
        available.iter().copied().find(|instructions| instructions.name() == name).ok_or_else(|| {
            let names: Vec<_> = available.iter().map(|instructions| instructions.name()).collect();
            let message = format!("NNCZ_KERNEL={name}: this processor has {}", names.join(", "));
            Error::new(ErrorKind::Unsupported, message)
        })
    }

    /// The name that `NNCZ_KERNEL` knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => "avxvnni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
        }
    }
}

/// A network, ready to be stepped; shared by all threads.
pub struct Network {
    stepper: Box<dyn Stepper>,
    shape: Shape,
}

/// What a network remembers on its way through a block.
pub struct Session(Box<dyn std::any::Any + Send>);

impl Network {
    /// Packs the weights for an instruction set, which must be [`Instructions::available`].
    pub fn new(weights: &Weights, instructions: Instructions) -> Self {
        match instructions {
            Instructions::Scalar => Self::packed(Scalar, weights),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => Self::packed_if(kernels::avx2::Avx2::detect(), weights),
            #[cfg(target_arch = "x86_64")]
            Instructions::AvxVnni => Self::packed_if(kernels::avx2::AvxVnni::detect(), weights),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => Self::packed_if(kernels::avx512::Avx512::detect(), weights),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon => Self::packed_if(kernels::neon::Neon::detect(), weights),
        }
    }

    /// What it remembers at a block's beginning: nothing.
    pub fn session(&self) -> Session {
        self.stepper.session()
    }

    /// Whether it rests at a position: whether the byte there is none that it predicts or sees.
    #[inline(always)]
    pub fn rests_at(&self, position: &Position) -> bool {
        self.shape.rests_at(position)
    }

    /// Goes on to the next byte. Where nobody asks for a prediction, that is two thirds of a step.
    pub fn advance(&self, session: &mut Session, input: &Input) {
        self.stepper.advance(session, input);
    }

    /// Predicts the byte that it has gone on to. Once at most for each.
    pub fn predict(&self, session: &mut Session, prediction: &mut Distribution) {
        self.stepper.predict(session, prediction);
    }

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn packed_if<K: Kernel>(kernel: Option<K>, weights: &Weights) -> Self {
        kernel.map_or_else(|| Self::packed(Scalar, weights), |kernel| Self::packed(kernel, weights))
    }

    fn packed<K: Kernel>(kernel: K, weights: &Weights) -> Self {
        Self { stepper: Box::new(Packed::new(kernel, weights)), shape: weights.shape.clone() }
    }
}

trait Stepper: Send + Sync {
    fn session(&self) -> Session;
    fn advance(&self, session: &mut Session, input: &Input);
    fn predict(&self, session: &mut Session, prediction: &mut Distribution);
}

impl<K: Kernel> Stepper for Packed<K> {
    fn session(&self) -> Session {
        Session(Box::new(self.state()))
    }

    fn advance(&self, session: &mut Session, input: &Input) {
        Packed::advance(self, session.state(), input);
    }

    fn predict(&self, session: &mut Session, prediction: &mut Distribution) {
        Packed::predict(self, session.state(), prediction);
    }
}

impl Session {
    fn state<K: Kernel>(&mut self) -> &mut State<K> {
        match self.0.downcast_mut() {
            Some(state) => state,
            None => unreachable!("a session goes on only with the network that began it"),
        }
    }
}
