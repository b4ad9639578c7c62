//! What the kernel's verifier makes of each program.

use aya::programs::ProgramInfo;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::leftovers::files;
use dataplane_tests::netns::Namespace;
use dataplane_tests::skip::say;
use dataplane_tests::strace;

/// Verified instructions that each program may have: some room above what kernels count. Raising
/// one is a commit of its own, with the reason.
///
/// `from_endpoint` has 40,000: it reads IPv6 headers behind up to four others, each of five kinds, and
/// judges ARP, neighbour discovery and `ICMPv6`. Linux 6.1 counts 26,763, 6.12 22,072, 6.18 23,679.
const CEILINGS: [(&str, u32); 4] =
    [("from_container", 5_000), ("from_endpoint", 40_000), ("to_container", 5_000), ("to_endpoint", 10_000)];

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
    // Programs have names in small letters, maps in capitals.
    let layout = dpctl.pin("from_container").parent().expect("a folder").to_owned();
    let mut programs: Vec<String> = files(&layout)
        .iter()
        .filter_map(|pin| pin.file_name()?.to_str().map(str::to_owned))
        .filter(|name| name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'))
        .collect();
    programs.sort();
    assert_eq!(programs, CEILINGS.map(|(name, _)| name), "each program has a ceiling");
    for (name, ceiling) in CEILINGS {
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
