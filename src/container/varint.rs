//! Numbers of seven bits a byte, lowest first (LEB128).

/// Appends `value`.
pub fn write(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The number at the start of `bytes` and its length in bytes; none if it is cut off, over 64 bits, or longer than
/// need be.
pub fn read(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        let digit = u64::from(byte & 0x7f);
        if i == 9 && digit > 1 {
            return None;
        }
        value |= digit << (7 * i);
        if byte < 0x80 {
            return (byte != 0 || i == 0).then_some((value, i + 1));
        }
    }
    None
}
