//! The programs on the host side of a veth, one a direction.
//!
//! `from_container` sits at tc ingress: what leaves the container arrives there.
//! `to_container` sits at tc egress: what enters the container leaves the host there.
//! Endpoints of our own networks have `from_endpoint` and `to_endpoint` in the same places.
//!
//! Each hook looks up whose packet it is, decides in `dataplane_common`, and counts. This file
//! alone knows the kernel's return codes.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(
    missing_docs,
    unreachable_pub,
    reason = "the classifier macro makes public functions without documentation"
)]
#![expect(internal_features, reason = "core::sync::atomic has no compare-exchange for this target")]

mod answer;
mod clock;
mod copies;
mod endpoint;
mod fib;
mod limiter;
mod maps;
mod packet;
mod part;
mod rewrite;
mod sender;

use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use dataplane_common::direction::Direction;
use dataplane_common::verdict::Verdict;

/// A packet leaves the container.
#[classifier]
pub fn from_container(ctx: TcContext) -> i32 {
    action(limiter::run(ctx, Direction::FromContainer))
}

/// A packet enters the container.
#[classifier]
pub fn to_container(ctx: TcContext) -> i32 {
    action(limiter::run(ctx, Direction::ToContainer))
}

/// A packet leaves an endpoint of a network.
#[classifier]
pub fn from_endpoint(ctx: TcContext) -> i32 {
    action(endpoint::from(ctx))
}

/// A packet enters an endpoint of a network.
#[classifier]
pub fn to_endpoint(ctx: TcContext) -> i32 {
    action(endpoint::to(ctx))
}

/// "Next", never "ok": `TC_ACT_OK` would end the chain and silence the programs attached after
/// ours. The number is the same for tcx (`TCX_NEXT`) and for clsact (`TC_ACT_UNSPEC`).
const NEXT: i32 = -1;
const SHOT: i32 = 2;

fn action(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Next => NEXT,
        Verdict::Drop(_) | Verdict::Consumed => SHOT,
        Verdict::Redirect(ifindex) => rewrite::redirect(ifindex),
        Verdict::IntoPeer(ifindex) => rewrite::redirect_into_peer(ifindex),
    }
}

// The kernel's helpers are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "the kernel finds the licence by the section's name")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Never linked in: a panic path would end in this loop, which the verifier refuses.
    loop {}
}
