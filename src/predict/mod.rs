//! The probability of the next bit.
