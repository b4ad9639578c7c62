//! Gives the namespace of this thread what a container has: loopback and its interface up, an
//! address, and a default route. By rtnetlink itself, since `ip` once a container takes longer
//! than all the rest of making it.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use anyhow::{Context, Result, ensure};
use rustix::net::netdevice::name_to_index;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use crate::bed::INSIDE;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
/// Request, acknowledge, create.
const FLAGS: u16 = 0x1 | 0x4 | 0x400;
const NLMSG_ERROR: u16 = 2;

const LOOPBACK: u32 = 1;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_OIF: u16 = 4;
const TABLE_MAIN: u8 = 254;
const PROTOCOL_BOOT: u8 = 3;
const SCOPE_LINK: u8 = 253;
const UNICAST: u8 = 1;

/// Does it; whoever calls has entered the namespace.
pub(super) fn configure(address: Ipv4Addr) -> Result<()> {
    // No protocol is protocol 0: rtnetlink.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
        .context("open an rtnetlink socket")?;
    let plain = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let eth0 = name_to_index(&plain, INSIDE).with_context(|| format!("look {INSIDE} up"))?;
    let whole = |message: Vec<u8>, what: &'static str| ask(&socket, &message).context(what);
    whole(up(LOOPBACK), "set lo up")?;
    whole(up(eth0), "set eth0 up")?;
    whole(new_address(eth0, address), "give it an address")?;
    whole(default_route(eth0), "give it a default route")
}

fn up(index: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend([index, IFF_UP, IFF_UP].iter().flat_map(|word| word.to_ne_bytes()));
    message(RTM_NEWLINK, &body)
}

fn new_address(index: u32, address: Ipv4Addr) -> Vec<u8> {
    let mut body = vec![AF_INET, 32, 0, 0];
    body.extend(index.to_ne_bytes());
    body.extend(attribute(IFA_LOCAL, address.octets()));
    body.extend(attribute(IFA_ADDRESS, address.octets()));
    message(RTM_NEWADDR, &body)
}

fn default_route(index: u32) -> Vec<u8> {
    let mut body = vec![AF_INET, 0, 0, 0, TABLE_MAIN, PROTOCOL_BOOT, SCOPE_LINK, UNICAST, 0, 0, 0, 0];
    body.extend(attribute(RTA_OIF, index.to_ne_bytes()));
    message(RTM_NEWROUTE, &body)
}

fn attribute(kind: u16, value: [u8; 4]) -> impl Iterator<Item = u8> {
    8u16.to_ne_bytes().into_iter().chain(kind.to_ne_bytes()).chain(value)
}

fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend([kind, FLAGS].iter().flat_map(|half| half.to_ne_bytes()));
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// Sends a message and reads what the kernel says of it: an errno, 0 if all is well.
fn ask(socket: impl AsFd, message: &[u8]) -> Result<()> {
    sendto(&socket, message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 512];
    let (length, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    ensure!(length >= 20, "an answer of {length} bytes");
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    let errno = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
    ensure!(kind == NLMSG_ERROR, "an answer of kind {kind}");
    if errno != 0 {
        return Err(std::io::Error::from_raw_os_error(-errno).into());
    }
    Ok(())
}
