//! The programs that a packet's cost is measured against, as instructions: one that does
//! nothing, one that looks its interface up in a hash map as ours does, and two that call the
//! helpers of the exact clock and of chance.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use dataplane::sys::{Instruction, load_program};
use dataplane_common::layout::CAPACITY;

use crate::sys;

/// What the kernel takes as "the next program, please".
pub(crate) const NEXT: i32 = -1;

// Opcodes, by what they read as.
const SET: u8 = 0xb7; // to = immediate
const COPY: u8 = 0xbf; // to = from
const ADD: u8 = 0x07; // to += immediate
const LOAD_U32: u8 = 0x61; // to = *(from + offset)
const STORE_U32: u8 = 0x63; // *(to + offset) = from
const LOAD_MAP: u8 = 0x18; // to = map, of two instructions' length
const IF_ZERO_SKIP: u8 = 0x15; // if to == immediate, skip `offset`
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// Registers: what is returned, the two arguments, and the top of the stack.
const R0: u8 = 0;
const R1: u8 = 1;
const R2: u8 = 2;
const STACK: u8 = 10;

const MAP_BY_DESCRIPTOR: u8 = 1;
/// Helpers, by their numbers in the kernel's ABI.
const MAP_LOOKUP: i32 = 1;
const KTIME_GET_NS: i32 = 5;
const GET_PRANDOM_U32: i32 = 7;
/// Offset of `ifindex` in `struct __sk_buff`.
const IFINDEX: i16 = 40;

/// A program that does nothing.
pub(crate) fn empty() -> io::Result<OwnedFd> {
    load_program(&[Instruction::new(SET, R0, 0, 0, NEXT), Instruction::new(EXIT, 0, 0, 0, 0)])
}

/// A program that reads the clock.
pub(crate) fn clock() -> io::Result<OwnedFd> {
    helper(KTIME_GET_NS)
}

/// A program that draws a random number.
pub(crate) fn random() -> io::Result<OwnedFd> {
    helper(GET_PRANDOM_U32)
}

fn helper(number: i32) -> io::Result<OwnedFd> {
    load_program(&[
        Instruction::new(CALL, 0, 0, 0, number),
        Instruction::new(SET, R0, 0, 0, NEXT),
        Instruction::new(EXIT, 0, 0, 0, 0),
    ])
}

/// A program that does one look-up, and its map.
#[derive(Debug)]
pub(crate) struct Lookup {
    program: OwnedFd,
    #[expect(dead_code, reason = "kept open with its program")]
    map: OwnedFd,
}

impl Lookup {
    /// With a map of the kind, size and content that `SLOTS` has for these interfaces.
    pub(crate) fn new(interfaces: &[u32]) -> io::Result<Self> {
        let map = sys::create_hash(CAPACITY)?;
        for (slot, ifindex) in (0..).zip(interfaces) {
            sys::insert(map.as_fd(), *ifindex, slot)?;
        }
        let program = load_program(&[
            Instruction::new(LOAD_U32, R2, R1, IFINDEX, 0),
            Instruction::new(STORE_U32, STACK, R2, -4, 0),
            Instruction::new(COPY, R2, STACK, 0, 0),
            Instruction::new(ADD, R2, 0, 0, -4),
            Instruction::new(LOAD_MAP, R1, MAP_BY_DESCRIPTOR, 0, sys::number(map.as_fd()).cast_signed()),
            Instruction::new(0, 0, 0, 0, 0),
            Instruction::new(CALL, 0, 0, 0, MAP_LOOKUP),
            // A miss returns 0, so that whoever measures can tell.
            Instruction::new(IF_ZERO_SKIP, R0, 0, 1, 0),
            Instruction::new(SET, R0, 0, 0, NEXT),
            Instruction::new(EXIT, 0, 0, 0, 0),
        ])?;
        Ok(Self { program, map })
    }

    /// The program.
    pub(crate) fn program(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}
