//! What the hooks read of a packet.
#![expect(unsafe_code, reason = "the context is the kernel's own struct")]

use aya_ebpf::bindings::__sk_buff;
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

    /// From the kernel's own handle.
    pub(crate) fn of(skb: *mut __sk_buff) -> Self {
        Self { ctx: TcContext::new(skb) }
    }

    /// The interface it is at.
    pub(crate) fn ifindex(&self) -> u32 {
        // SAFETY: the kernel hands every hook a valid context.
        unsafe { (*self.ctx.skb.skb).ifindex }
    }

    /// The interface that it came in by; 0 where the host itself sent it.
    pub(crate) fn origin(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.ctx.skb.skb).ingress_ifindex }
    }

    /// Whether it bears a VLAN tag that the kernel keeps beside it.
    pub(crate) fn is_tagged(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.ctx.skb.skb).vlan_present != 0 }
    }

    /// Its bytes, Ethernet header included.
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.ctx.skb.skb).len }
    }

    /// The kernel's own handle, for the helpers.
    pub(crate) fn skb(&self) -> *mut __sk_buff {
        self.ctx.skb.skb
    }

    /// What it is on a wire.
    pub(crate) fn wire(&self) -> Wire {
        // SAFETY: as above.
        let (len, gso_size) = unsafe { ((*self.ctx.skb.skb).len, (*self.ctx.skb.skb).gso_size) };
        let headers = if gso_size == 0 { 0 } else { header_len(self) };
        wire(len, gso_size, headers)
    }
}

impl Packet {
    /// Copies the bytes at `offset`; `None` past the end.
    #[inline(always)] // the length is a constant to the verifier
    pub(crate) fn copy<const N: usize>(&self, offset: u32, to: &mut [u8; N]) -> Option<()> {
        let length = u32::try_from(N).ok()?;
        // SAFETY: the destination is as long as the length says; the kernel checks the offset.
        let failed =
            unsafe { bpf_skb_load_bytes(self.ctx.skb.skb.cast(), offset, to.as_mut_ptr().cast(), length) };
        (failed == 0).then_some(())
    }
}

impl Octets for Packet {
    #[inline(always)] // the length is a constant to the verifier
    fn bytes<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let mut bytes = [0u8; N];
        self.copy(offset, &mut bytes)?;
        Some(bytes)
    }
}
