//! The kernel calls that no safe crate offers: links and small programs of bpf(2), a new network
//! namespace, and the cookie of one.
//!
//! Each attribute struct is the head of the kernel's `union bpf_attr` for its command
//! (`include/uapi/linux/bpf.h`); the kernel takes what is beyond a struct's end as zero.
#![expect(unsafe_code, reason = "bpf(2), getsockopt(2) and unshare(2); this file is their address")]

use std::ffi::CString;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use dataplane_common::direction::Direction;

const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_DELETE_ELEM: libc::c_long = 3;
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_OBJ_PIN: libc::c_long = 6;
const BPF_OBJ_GET: libc::c_long = 7;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_PROG_QUERY: libc::c_long = 16;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_LINK_UPDATE: libc::c_long = 29;
const BPF_LINK_DETACH: libc::c_long = 34;

const BPF_TCX_INGRESS: u32 = 46;
const BPF_TCX_EGRESS: u32 = 47;
const BPF_LINK_TYPE_TCX: u32 = 11;

const BPF_F_BEFORE: u32 = 1 << 3;
const BPF_F_AFTER: u32 = 1 << 4;

/// Runs one command; the attribute is read by the kernel and, for queries, written to.
fn bpf<T>(command: libc::c_long, attribute: &mut T) -> io::Result<RawFd> {
    // SAFETY: the pointer is valid for the size given with it; every `T` here is `repr(C)` and
    // holds integers only, so whatever the kernel writes is a value.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attribute), size_of::<T>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(RawFd::try_from(result).expect("a descriptor or 0"))
}

fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made it for the command that was run, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|nul| io::Error::new(io::ErrorKind::InvalidInput, nul))
}

fn raw(fd: BorrowedFd<'_>) -> u32 {
    u32::try_from(fd.as_raw_fd()).expect("an open descriptor is not negative")
}

/// A map of devices by their numbers (`BPF_MAP_TYPE_DEVMAP_HASH`). aya has one, whose first use
/// tries out what the kernel has with a dozen programs: too much for every command.
#[derive(Debug)]
pub struct DeviceMap(OwnedFd);

/// The head of `union bpf_attr` for elements of maps.
#[repr(C)]
struct Element {
    map: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl DeviceMap {
    /// Of a map that was checked to be one, with keys of 4 bytes and values of 8.
    pub const fn new(map: OwnedFd) -> Self {
        Self(map)
    }

    fn element(&self, command: libc::c_long, key: u32, value: Option<&mut [u32; 2]>) -> io::Result<()> {
        let (map, key) = (raw(self.0.as_fd()), std::ptr::from_ref(&key) as u64);
        let value = value.map_or(0, |value| value.as_mut_ptr() as u64);
        bpf(command, &mut Element { map, reserved: 0, key, value, flags: 0 }).map(drop)
    }

    /// Whether the device of this number is entered, and is there.
    pub fn has(&self, ifindex: u32) -> io::Result<bool> {
        match self.element(BPF_MAP_LOOKUP_ELEM, ifindex, Some(&mut [0; 2])) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Enters a device of this namespace; the kernel takes it out when the device goes.
    pub fn enter(&self, ifindex: u32) -> io::Result<()> {
        self.element(BPF_MAP_UPDATE_ELEM, ifindex, Some(&mut [ifindex, 0]))
    }

    /// Takes a device out. None there is fine.
    pub fn remove(&self, ifindex: u32) -> io::Result<()> {
        match self.element(BPF_MAP_DELETE_ELEM, ifindex, None) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// One instruction of BPF (`struct bpf_insn`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    /// What it does.
    pub code: u8,
    /// Destination in the lower half, source in the upper.
    pub registers: u8,
    /// Of an address, or of a jump.
    pub offset: i16,
    /// A number.
    pub immediate: i32,
}

impl Instruction {
    /// From its parts; registers are numbered from 0.
    pub const fn new(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Self {
        Self { code, registers: from << 4 | to, offset, immediate }
    }
}

/// Loads a tc program.
pub fn load_program(instructions: &[Instruction]) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attribute {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
    }
    const SCHED_CLS: u32 = 3;
    let count = u32::try_from(instructions.len()).expect("a short program");
    let (instructions, license) = (instructions.as_ptr() as u64, c"GPL".as_ptr() as u64);
    bpf(BPF_PROG_LOAD, &mut Attribute { kind: SCHED_CLS, count, instructions, license }).map(owned)
}

/// tcx ingress of the host side is where packets from the container arrive.
const fn attach_type(direction: Direction) -> u32 {
    match direction {
        Direction::FromContainer => BPF_TCX_INGRESS,
        Direction::ToContainer => BPF_TCX_EGRESS,
    }
}

/// Where among the programs of others a new link goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Before all that are there: sees every packet.
    First,
    /// After them: sees what they let pass.
    #[default]
    Last,
}

impl Order {
    /// As printed and stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Last => "last",
        }
    }

    /// The reverse of [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::First, Self::Last].into_iter().find(|order| order.name() == name)
    }
}

/// Attaches a program to one direction of an interface (tcx, Linux 6.6). Waits for RCU.
pub fn link_create(
    program: BorrowedFd<'_>,
    ifindex: u32,
    direction: Direction,
    order: Order,
) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attribute {
        program: u32,
        ifindex: u32,
        attach_type: u32,
        flags: u32,
        relative: u32,
        reserved: u32,
        expected_revision: u64,
    }
    let flags = match order {
        Order::First => BPF_F_BEFORE,
        Order::Last => BPF_F_AFTER,
    };
    bpf(
        BPF_LINK_CREATE,
        &mut Attribute {
            program: raw(program),
            ifindex,
            attach_type: attach_type(direction),
            flags,
            relative: 0,
            reserved: 0,
            expected_revision: 0,
        },
    )
    .map(owned)
}

/// Swaps the program of a link in place. Waits for nothing.
pub fn link_update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Attribute {
        link: u32,
        program: u32,
        flags: u32,
        old: u32,
    }
    bpf(BPF_LINK_UPDATE, &mut Attribute { link: raw(link), program: raw(program), flags: 0, old: 0 })
        .map(drop)
}

/// Takes a link off its interface now; dropping the last descriptor would do so later.
pub fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Attribute {
        link: u32,
    }
    bpf(BPF_LINK_DETACH, &mut Attribute { link: raw(link) }).map(drop)
}

/// What the kernel says of a tcx link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// The program it runs.
    pub program_id: u32,
    /// The interface, as numbered in its present namespace; 0 once that is gone.
    pub ifindex: u32,
    /// Which way.
    pub direction: Option<Direction>,
}

/// Asks about a link; `None` if it is not a tcx link.
pub fn link_info(link: BorrowedFd<'_>) -> io::Result<Option<LinkInfo>> {
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        kind: u32,
        id: u32,
        program_id: u32,
        alignment: u32,
        ifindex: u32,
        attach_type: u32,
        rest: [u64; 8],
    }
    #[repr(C)]
    struct Attribute {
        fd: u32,
        length: u32,
        info: u64,
    }
    let mut info = Info::default();
    let length = u32::try_from(size_of::<Info>()).expect("a small struct");
    bpf(
        BPF_OBJ_GET_INFO_BY_FD,
        &mut Attribute { fd: raw(link), length, info: std::ptr::from_mut(&mut info) as u64 },
    )?;
    let direction = Direction::ALL.into_iter().find(|d| attach_type(*d) == info.attach_type);
    Ok((info.kind == BPF_LINK_TYPE_TCX).then_some(LinkInfo {
        program_id: info.program_id,
        ifindex: info.ifindex,
        direction,
    }))
}

/// Gives an object a name in a bpffs.
pub fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    bpf(BPF_OBJ_PIN, &mut ObjectAttribute { path: path.as_ptr() as u64, fd: raw(object), flags: 0 }).map(drop)
}

/// Opens a pinned object. Symbolic links are refused.
pub fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    if std::fs::symlink_metadata(path)?.is_symlink() {
        return Err(io::Error::from_raw_os_error(libc::ELOOP));
    }
    let path = c_path(path)?;
    bpf(BPF_OBJ_GET, &mut ObjectAttribute { path: path.as_ptr() as u64, fd: 0, flags: 0 }).map(owned)
}

#[repr(C)]
struct ObjectAttribute {
    path: u64,
    fd: u32,
    flags: u32,
}

/// Ids of the programs on one direction of an interface, in their order (tcx, Linux 6.6).
pub fn programs_on(ifindex: u32, direction: Direction) -> io::Result<Vec<u32>> {
    #[repr(C)]
    struct Attribute {
        ifindex: u32,
        attach_type: u32,
        query_flags: u32,
        attach_flags: u32,
        program_ids: u64,
        count: u32,
        reserved: u32,
        attach_flags_of: u64,
        link_ids: u64,
        link_attach_flags: u64,
        revision: u64,
    }
    // The kernel's own bound on programs of one hook (BPF_MPROG_MAX) is 64.
    let mut ids = vec![0u32; 64];
    let mut attribute = Attribute {
        ifindex,
        attach_type: attach_type(direction),
        query_flags: 0,
        attach_flags: 0,
        program_ids: ids.as_mut_ptr() as u64,
        count: 64,
        reserved: 0,
        attach_flags_of: 0,
        link_ids: 0,
        link_attach_flags: 0,
        revision: 0,
    };
    match bpf(BPF_PROG_QUERY, &mut attribute) {
        Ok(_) => ids.truncate(attribute.count as usize),
        // No programs, or no device any more.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => ids.clear(),
        Err(error) => return Err(error),
    }
    Ok(ids)
}

/// Moves the calling thread into a network namespace of its own, which ends with the thread.
pub fn enter_new_network_namespace() -> io::Result<()> {
    // SAFETY: only sharing descriptors no longer could harm others, and that is not asked for.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }.map_err(io::Error::from)
}

/// Gives this process, or what it becomes, mounts and a host name of its own.
pub fn enter_new_mounts_and_name() -> io::Result<()> {
    let flags = rustix::thread::UnshareFlags::NEWNS | rustix::thread::UnshareFlags::NEWUTS;
    // SAFETY: as above.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Sends frames as they are out of an interface of this thread's namespace.
pub fn send_frames(ifindex: u32, frames: &[&[u8]]) -> io::Result<()> {
    const ETH_ALEN: u8 = 6;
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let socket = owned(fd);
    let mut to = [0; 8];
    for frame in frames {
        let length = frame.len().min(6);
        to[..length].copy_from_slice(&frame[..length]);
        let address = libc::sockaddr_ll {
            sll_family: u16::try_from(libc::AF_PACKET).expect("17"),
            sll_protocol: 0,
            sll_ifindex: i32::try_from(ifindex).unwrap_or(0),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: ETH_ALEN,
            sll_addr: to,
        };
        let size = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).expect("20");
        // SAFETY: both pointers are valid for the lengths given with them.
        let sent = unsafe {
            libc::sendto(
                socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                std::ptr::from_ref(&address).cast(),
                size,
            )
        };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The clock of the programs, in nanoseconds.
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// The number of this process's network namespace: unique since boot, 1 for the first.
pub fn netns_cookie() -> io::Result<u64> {
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).or_else(|_no_loopback| {
        // Bound to nothing in a namespace whose loopback is down: any address will do.
        std::net::UdpSocket::bind(("0.0.0.0", 0))
    })?;
    let mut cookie = 0u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).expect("8");
    // SAFETY: the option writes a u64; pointer and length say so.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            std::ptr::from_mut(&mut cookie).cast(),
            &raw mut length,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(cookie) }
}
