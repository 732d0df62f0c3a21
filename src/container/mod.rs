//! The archive's bytes.
