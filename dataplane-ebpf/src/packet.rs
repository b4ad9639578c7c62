//! What the hooks read of a packet.
#![expect(unsafe_code, reason = "the context is the kernel's own struct")]

use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use aya_ebpf::programs::TcContext;
use dataplane_common::frame::{Octets, Wire, header_len, wire};

/// A packet at a hook.
pub(crate) struct Packet {
    ctx: TcContext,
}

impl Packet {
    pub(crate) fn new(ctx: TcContext) -> Self {
        Self { ctx }
    }

    /// The interface it is at.
    pub(crate) fn ifindex(&self) -> u32 {
        // SAFETY: the kernel hands every hook a valid context.
        unsafe { (*self.ctx.skb.skb).ifindex }
    }

    /// What it is on a wire.
    pub(crate) fn wire(&self) -> Wire {
        // SAFETY: as above.
        let (len, gso_size) = unsafe { ((*self.ctx.skb.skb).len, (*self.ctx.skb.skb).gso_size) };
        let headers = if gso_size == 0 { 0 } else { header_len(self) };
        wire(len, gso_size, headers)
    }
}

impl Octets for Packet {
    #[inline(always)] // the length is a constant to the verifier
    fn bytes<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let mut bytes = [0u8; N];
        let length = u32::try_from(N).ok()?;
        // SAFETY: the destination is as long as the length says; the kernel checks the offset.
        let failed =
            unsafe { bpf_skb_load_bytes(self.ctx.skb.skb.cast(), offset, (&raw mut bytes).cast(), length) };
        (failed == 0).then_some(bytes)
    }
}
