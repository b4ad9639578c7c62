//! The kernel's clock and random numbers: the two inputs that a decision must be given.
#![expect(unsafe_code, reason = "the helpers are foreign functions")]

use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_coarse_ns, bpf_ktime_get_ns};

/// Nanoseconds of `CLOCK_MONOTONIC`. The dearest call of the path: once a packet.
pub(crate) fn now() -> u64 {
    // SAFETY: takes no pointers, has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

/// The same clock as it was at the last tick, 1 to 10 ms ago; a tenth of the price.
pub(crate) fn now_coarse() -> u64 {
    // SAFETY: as above.
    unsafe { bpf_ktime_get_coarse_ns() }
}

/// Uniform over `u32`.
pub(crate) fn random() -> u32 {
    // SAFETY: as above.
    unsafe { bpf_get_prandom_u32() }
}
