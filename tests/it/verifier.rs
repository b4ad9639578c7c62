//! What the kernel's verifier makes of each program.

use aya::programs::ProgramInfo;
use dataplane_common::direction::Direction;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::netns::Namespace;
use dataplane_tests::skip::say;
use dataplane_tests::strace;

/// Verified instructions that each program may have: some room above what kernels count. Raising
/// one is a commit of its own, with the reason.
const CEILINGS: [(Direction, u32); 2] = [(Direction::FromContainer, 5_000), (Direction::ToContainer, 5_000)];

/// `cargo xtask vm` reads the lines that this test says.
#[test]
fn every_program_verifies_below_the_ceiling() {
    let host = Namespace::new();
    host.ip("link add veth1 type veth peer name veth2");
    let dpctl = Dpctl::new(&host);
    let mut loads = vec![];
    if strace::missing().is_none() {
        let (attach, calls) = strace::timed_calls(&dpctl.command("attach veth1"), "bpf");
        attach.ok();
        loads = calls;
    } else {
        dpctl.run("attach veth1");
    }
    for (direction, ceiling) in CEILINGS {
        let name = direction.name();
        let program = ProgramInfo::from_pin(dpctl.pin(name)).expect("a pinned program");
        let verified = program.verified_instruction_count().expect("Linux 5.16 and later count");
        let time = seconds(&loads, name).map_or("time unknown".to_owned(), |s| format!("{:.1} ms", s * 1e3));
        say(&format!("verified: {name}: {verified} instructions, {time}"));
        assert!((1..=ceiling).contains(&verified), "{name}: {verified} instructions");
    }
    dpctl.leaves_nothing();
}

/// How long the kernel took to verify and compile a program.
fn seconds(loads: &[String], name: &str) -> Option<f64> {
    let name = format!("prog_name=\"{name}\"");
    let load = loads.iter().find(|call| call.contains("BPF_PROG_LOAD") && call.contains(&name))?;
    load.rsplit_once('<')?.1.trim_end_matches('>').parse().ok()
}
