//! `BPF_PROG_TEST_RUN` on a pinned program: packet in, verdict and packet out.
//!
//! Call it inside the namespace ([`crate::netns::Namespace::enter`]) whose interface the packet
//! is to come from. With `repeat`, the kernel does not restore the packet between runs.

use std::path::Path;
use std::time::Duration;

use aya::programs::{SchedClassifier, TestRun, TestRunOptions};

/// A program that `dpctl` pinned.
#[derive(Debug)]
pub struct Program(SchedClassifier);

/// What of the kernel's `struct __sk_buff` a test may set, and read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skb {
    /// The interface that the packet is on; 0 for the loopback.
    pub ifindex: u32,
    /// Payload of one segment; 0 for a packet that is a frame.
    pub gso_size: u32,
    /// Segments, as whoever made the packet claims.
    pub gso_segs: u32,
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What the program returned: -1 is the next program, 2 a drop.
    pub verdict: i32,
    /// The packet afterwards.
    pub packet: Vec<u8>,
    /// Its metadata afterwards.
    pub skb: Skb,
    /// The mean time of one run.
    pub time: Duration,
}

impl Program {
    /// The program pinned at `path`.
    #[track_caller]
    pub fn pinned(path: &Path) -> Self {
        let program = SchedClassifier::from_pin(path);
        Self(program.unwrap_or_else(|e| panic!("open the program at {}: {e}", path.display())))
    }

    /// Runs it once.
    #[track_caller]
    pub fn run(&self, packet: &[u8], skb: Skb) -> Ran {
        self.repeat(packet, skb, 1)
    }

    /// Runs it `times` on one packet; the result is the last run's.
    #[track_caller]
    pub fn repeat(&self, packet: &[u8], skb: Skb, times: u32) -> Ran {
        // Room for headers that a program pushes.
        let mut packet_out = vec![0; packet.len() + 256];
        let mut context_out = [0; CONTEXT];
        let ran = self.0.test_run(TestRunOptions {
            data_in: Some(packet),
            data_out: Some(&mut packet_out),
            ctx_in: Some(&skb.context()),
            ctx_out: Some(&mut context_out),
            repeat: times,
            ..TestRunOptions::new()
        });
        let ran = ran.unwrap_or_else(|e| panic!("run on {} bytes, {skb:?}: {e:?}", packet.len()));
        packet_out.truncate(ran.data_size_out as usize);
        Ran {
            verdict: ran.return_value.cast_signed(),
            packet: packet_out,
            skb: Skb::from_context(&context_out),
            time: ran.duration,
        }
    }
}

/// Size of the kernel's `struct __sk_buff`.
pub const CONTEXT: usize = 192;
/// Offsets in it of what a test may set: part of the kernel's ABI.
const IFINDEX: usize = 40;
const GSO_SEGS: usize = 164;
const GSO_SIZE: usize = 176;

impl Skb {
    /// As `BPF_PROG_TEST_RUN` takes it. All else is zero, or the kernel would answer EINVAL.
    pub fn context(self) -> [u8; CONTEXT] {
        let mut context = [0; CONTEXT];
        for (offset, value) in [(IFINDEX, self.ifindex), (GSO_SEGS, self.gso_segs), (GSO_SIZE, self.gso_size)]
        {
            context[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
        }
        context
    }

    fn from_context(context: &[u8; CONTEXT]) -> Self {
        let word = |offset: usize| {
            u32::from_ne_bytes(context[offset..offset + 4].try_into().expect("four bytes were taken"))
        };
        Self { ifindex: word(IFINDEX), gso_size: word(GSO_SIZE), gso_segs: word(GSO_SEGS) }
    }
}
