//! The Internet checksum (RFC 1071), over whole frames that we make ourselves.
//!
//! Packets of others are changed through the kernel's helpers, which know what is still to be
//! summed.

/// The checksum of words, with a number added first: what a pseudo-header has beside addresses.
/// At most 128 words of it, so that the sum fits 32 bits and its carries are folded in at the end.
#[inline(always)]
pub(crate) fn of(first: u32, bytes: &[u8]) -> [u8; 2] {
    let mut sum = first;
    for word in bytes.chunks_exact(2) {
        sum += u32::from(u16::from_be_bytes([word[0], word[1]]));
    }
    let folded = (sum & 0xffff) + (sum >> 16);
    let [.., high, low] = (folded + (folded >> 16)).to_be_bytes();
    (!u16::from_be_bytes([high, low])).to_be_bytes()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        // RFC 1071, 3: 0001 f203 f4f5 f6f7 sum to ddf2.
        assert_eq!(super::of(0, &[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), [0x22, 0x0d]);
    }
}
