//! Bounds on every number that is read from an archive, checked before anything is allocated.

/// Largest length of one block's original bytes.
pub const BLOCK_LENGTH: u64 = 128 << 20;
/// By how many bytes an archive of one block may be longer than its original.
pub const GROWTH: u64 = 100;
/// Largest header section.
pub const HEADER_LENGTH: u64 = 1 << 16;
/// Largest model section.
pub const MODEL_LENGTH: u64 = 16 << 20;
/// Most parameters of a network.
pub const PARAMETERS: usize = 16 << 20;
/// Most blocks in one archive.
pub const BLOCKS: u64 = 1 << 20;
/// Largest base-2 logarithm of the lines in the context table.
pub const TABLE_BITS: u8 = 25;
/// Largest width of a network's residual stream, for which the normalisation's factor still has 15 bits.
pub const NETWORK_STREAM: usize = 512;
/// Largest width of a network's vectors.
pub const NETWORK_WIDTH: usize = 2048;
/// Most places that a network tells apart to rest at some.
pub const PLACES: usize = 1 << 16;
/// Longest window of a network's attention.
pub const WINDOW: usize = 1024;
/// Most layers of a network.
pub const LAYERS: usize = 16;

/// Memory that any archive may take, and what each of its bytes adds to that.
const MEMORY: u64 = 48 << 20;
const MEMORY_FOR_BYTE: u64 = 4096;

/// Most memory for the network and the adaptive state of all blocks in work, when an archive of `archive` bytes is
/// decoded: a short archive cannot make a decoder take much.
pub fn decoder_memory(archive: u64) -> u64 {
    MEMORY + archive.saturating_mul(MEMORY_FOR_BYTE)
}

/// Length of the shortest archive that may take so much memory.
pub fn shortest_archive(memory: u64) -> u64 {
    memory.saturating_sub(MEMORY).div_ceil(MEMORY_FOR_BYTE)
}
