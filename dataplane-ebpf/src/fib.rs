//! Asks the host's routing whether an address is one of its own. Its addresses are copied nowhere:
//! they come and go without us (DHCP, SLAAC).
#![expect(unsafe_code, reason = "the helper is a foreign function")]

use aya_ebpf::helpers::generated::bpf_fib_lookup;
use dataplane_common::address::Ip;
use dataplane_common::headers::Inner;
use dataplane_common::refusal::Refusal;

use crate::maps;
use crate::packet::Packet;

/// `struct bpf_fib_lookup` (linux/bpf.h), its unions as we use them.
#[repr(C)]
struct Question {
    family: u8,
    l4_protocol: u8,
    source_port: u16,
    destination_port: u16,
    total_len: u16,
    ifindex: u32,
    flow_info: u32,
    source: [u8; 16],
    destination: [u8; 16],
    vlan: u32,
    source_mac: [u8; 6],
    destination_mac: [u8; 6],
}

const SIZE: i32 = 64;
const _: () = assert!(size_of::<Question>() == 64);

/// To the host, if the destination is its own; else dropped. `device` is the one that the packet
/// comes in by for the host's routing; it must have forwarding on, or the kernel gives no answer.
///
/// No source is asked with: a policy rule prohibits what an endpoint's would lead to.
#[inline(always)]
pub(crate) fn refuse_unless_hosts_own(packet: &Packet, device: u32) -> Result<(), Refusal> {
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    const NOT_FORWARDED: i64 = 4;
    let headers = &maps::scratch().ok_or(Refusal::NoUplink)?.headers;
    let Inner::Ip(ip) = &headers.inner else { return Err(Refusal::NoUplink) };
    let mut question = Question {
        family: if ip.destination.is_v4() { AF_INET } else { AF_INET6 },
        l4_protocol: 0,
        source_port: 0,
        destination_port: 0,
        total_len: 0,
        ifindex: device,
        flow_info: 0,
        source: [0; 16],
        destination: in_family(ip.destination),
        vlan: 0,
        source_mac: [0; 6],
        destination_mac: [0; 6],
    };
    // SAFETY: the struct is the kernel's, as long as it is said to be.
    let answer = unsafe { bpf_fib_lookup(packet.skb().cast(), (&raw mut question).cast(), SIZE, 0) };
    if answer == NOT_FORWARDED { Ok(()) } else { Err(Refusal::NoUplink) }
}

/// IPv4 in the first four bytes, as the kernel's union has it.
#[inline(always)]
fn in_family(address: Ip) -> [u8; 16] {
    match address.0 {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => {
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        octets => octets,
    }
}
