//! Harness of the topology tests, in reading order:
//!
//! [`topology`] makes a host and boxes of [`netns`] namespaces; [`dpctl`] works on it, and
//! [`leftovers`] tells what stayed; [`udp`], [`tcp`] and [`iperf3`] send, [`meter`] reads what
//! arrived; [`packet`] and [`run`] put single packets through a program; [`peers`] are the
//! engines of others. [`eventually`] waits, [`command`] runs, [`machine`] keeps measurements
//! apart, [`hooks`] knows what the kernel has, [`mod@skip`] says why a test could not run. [`burst`] tells in a millisecond whether a
//! limit holds, [`state`] what an instance holds, [`strace`] kills and hinders commands.

pub mod topology;

pub mod dpctl;
pub mod leftovers;
pub mod sandbox;
pub mod state;

pub mod iperf3;
pub mod meter;
pub mod tcp;
pub mod udp;

pub mod burst;

pub mod packet;
pub mod path;
pub mod run;

pub mod peers;

pub mod command;
pub mod eventually;
pub mod hooks;
pub mod machine;
pub mod netns;
pub mod skip;
pub mod strace;
