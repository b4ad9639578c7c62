//! The kernel calls of the measurements that no safe crate offers: load a program given as
//! instructions, run one many times, ask what CPU time children took, and how a socket fares;
//! frames past all sockets' cost, and a thread that takes only what nobody wants.
//!
//! Each attribute struct is the head of the kernel's `union bpf_attr` for its command
//! (`include/uapi/linux/bpf.h`); the kernel takes what is beyond a struct's end as zero.
#![expect(
    unsafe_code,
    reason = "bpf(2), getrusage(2), packet(7) and their like take pointers; this file is their address"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_PROG_TEST_RUN: libc::c_long = 10;

const BPF_MAP_TYPE_HASH: u32 = 1;

/// The type of an Ethernet frame with IPv4 in it.
const ETH_P_IP: u16 = 0x0800;

fn bpf<T>(command: libc::c_long, attribute: &mut T) -> io::Result<RawFd> {
    // SAFETY: the pointer is valid for the size given with it; every `T` here is `repr(C)` and
    // holds integers only, and what its addresses point to outlives the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attribute), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(RawFd::try_from(result).unwrap_or(0)) }
}

fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made it for the command that was run, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// The descriptor as the number that bpf(2) and instructions take.
pub(crate) fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// A hash map from `u32` to `u32`.
pub(crate) fn create_hash(capacity: u32) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attribute {
        kind: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    }
    let mut attribute =
        Attribute { kind: BPF_MAP_TYPE_HASH, key_size: 4, value_size: 4, max_entries: capacity };
    bpf(BPF_MAP_CREATE, &mut attribute).map(owned)
}

/// Sets the value of a key in such a map.
pub(crate) fn insert(map: BorrowedFd<'_>, key: u32, value: u32) -> io::Result<()> {
    #[repr(C)]
    struct Attribute {
        map: u64,
        key: u64,
        value: u64,
        flags: u64,
    }
    let (key, value) = (std::ptr::from_ref(&key) as u64, std::ptr::from_ref(&value) as u64);
    bpf(BPF_MAP_UPDATE_ELEM, &mut Attribute { map: number(map).into(), key, value, flags: 0 }).map(drop)
}

/// Runs a program `repeat` times on one packet and returns what it returned last. `context` is
/// a `struct __sk_buff`; its interface must be one of this thread's namespace.
pub(crate) fn test_run(
    program: BorrowedFd<'_>,
    packet: &[u8],
    context: &[u8],
    repeat: u32,
) -> io::Result<i32> {
    #[repr(C)]
    struct Attribute {
        program: u32,
        returned: i32,
        data_size_in: u32,
        data_size_out: u32,
        data_in: u64,
        data_out: u64,
        repeat: u32,
        duration: u32,
        context_size_in: u32,
        context_size_out: u32,
        context_in: u64,
        context_out: u64,
    }
    let mut attribute = Attribute {
        program: number(program),
        returned: 0,
        data_size_in: length(packet),
        data_size_out: 0,
        data_in: packet.as_ptr() as u64,
        data_out: 0,
        repeat,
        duration: 0,
        context_size_in: length(context),
        context_size_out: 0,
        context_in: context.as_ptr() as u64,
        context_out: 0,
    };
    bpf(BPF_PROG_TEST_RUN, &mut attribute)?;
    Ok(attribute.returned)
}

/// The CPU time of all children that have ended and were waited for.
pub(crate) fn children_cpu() -> io::Result<Duration> {
    // SAFETY: the struct is integers only; zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a struct of the type that the call fills.
    if unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.cast_unsigned()) + Duration::from_micros(time.tv_usec.cast_unsigned())
    };
    Ok(time(usage.ru_utime) + time(usage.ru_stime))
}

/// How a TCP connection fares at its sender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpState {
    /// The smoothed round-trip time.
    pub(crate) round_trip: Duration,
    /// Segments sent again, since the connection was made.
    pub(crate) sent_again: u32,
    /// Segments sent, those among them.
    pub(crate) sent: u32,
}

/// Asks a TCP socket.
pub(crate) fn tcp_state(socket: impl AsFd) -> io::Result<TcpState> {
    // `struct tcp_info` grows at its end; these lie in the part that every kernel since 4.2 has.
    const ROUND_TRIP: usize = 68;
    const SENT_AGAIN: usize = 100;
    const SENT: usize = 136;
    const SIZE: usize = 140;
    let mut info = [0u8; SIZE];
    let mut length = libc::socklen_t::try_from(SIZE).unwrap_or(0);
    // SAFETY: the option writes at most `length` bytes, which is the size of the array.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let word = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
    let round_trip = Duration::from_micros(word(ROUND_TRIP).into());
    Ok(TcpState { round_trip, sent_again: word(SENT_AGAIN), sent: word(SENT) })
}

/// What a packet socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frames {
    /// Frames go out past the queueing discipline, and none come in.
    Out,
    /// Frames of IPv4 come in.
    In,
}

/// A packet socket at the interface of this index, in this thread's namespace.
pub(crate) fn packet_socket(interface: u32, frames: Frames) -> io::Result<OwnedFd> {
    let protocol = if frames == Frames::In { ETH_P_IP.to_be() } else { 0 };
    let index = i32::try_from(interface).map_err(io::Error::other)?;
    // SAFETY: takes no pointer.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    let socket = owned(socket);
    if frames == Frames::Out {
        let yes: libc::c_int = 1;
        // SAFETY: the option reads an int, which is what the pointer and the size are of.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_QDISC_BYPASS,
                (&raw const yes).cast(),
                socket_length::<libc::c_int>(),
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: the struct is integers only; zero is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    address.sll_protocol = protocol;
    address.sll_ifindex = index;
    let length = socket_length::<libc::sockaddr_ll>();
    // SAFETY: the pointer is valid for the size given with it, and the struct is the one of this
    // family.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}

fn socket_length<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

/// From here on the calling thread runs only while its CPU has nothing else to do.
pub(crate) fn take_only_what_is_left() -> io::Result<()> {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: the pointer is to a struct of the type that the call reads; 0 is the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const priority) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
