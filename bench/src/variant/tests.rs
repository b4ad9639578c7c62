//! Every variant as it is used, for real; without root they say so and end.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dataplane_common::direction::Direction;
use dataplane_tests::eventually::{eventually, within};
use dataplane_tests::leftovers::{Snapshot, mounts};
use dataplane_tests::netns::{Namespace, PREFIX, processes};
use dataplane_tests::skip;

use super::*;
use crate::bed::{SERVER_GATEWAY, SERVER_VETH};
use crate::load::Load;
use crate::load::latency::Latency;
use crate::results::Parameters;

/// One at a time: mounts and processes are those of the whole machine.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Folders and mounts of this process.
fn belongings() -> Vec<String> {
    let prefix = format!("{PREFIX}{}-", std::process::id());
    let folders = std::fs::read_dir("/tmp").into_iter().flatten().flatten();
    let folders = folders.map(|entry| entry.path().display().to_string());
    let all = folders.chain(mounts(Path::new("/tmp")));
    all.filter(|name| name.contains(&prefix)).collect()
}

/// Builds by `build`, validates, drops, and looks for what is left.
fn comes_and_goes(what: &str, build: impl FnOnce() -> Result<Bed>) {
    let before = belongings();
    let bed = build().unwrap_or_else(|e| panic!("{what}: {e:#}"));
    Latency.validate(&bed, &Parameters::new()).unwrap_or_else(|e| panic!("{what}: {e:#}"));
    let namespaces: Vec<&Namespace> =
        [&bed.client, &bed.server].into_iter().chain(bed.host.as_deref()).collect();
    let paths: Vec<PathBuf> = namespaces.iter().map(|one| one.path()).collect();
    let running: Vec<u32> =
        namespaces.iter().flat_map(|one| one.processes()).map(|(process, _)| process).collect();
    drop(bed);
    for path in paths {
        assert!(!path.exists(), "{what}: left {}", path.display());
    }
    let left: Vec<u32> = processes().filter(|process| running.contains(process)).collect();
    assert!(left.is_empty(), "{what}: left processes {left:?}");
    eventually(&format!("{what}: mounts and folders are gone"), || {
        belongings().iter().all(|name| before.contains(name))
    });
}

#[test]
fn every_variant_carries_and_leaves_nothing() {
    if !is_root() {
        skip!("needs root");
    }
    let _alone = alone();
    for variant in all() {
        if let Some(why) = refusal(&*variant, 1) {
            println!("{}: {why}", variant.name());
            continue;
        }
        let sizes: &[u32] = if variant.counts().is_some() { &[1, 100] } else { &[1] };
        for size in sizes {
            comes_and_goes(&format!("{} {size}", variant.name()), || variant.build(*size));
        }
    }
}

#[test]
fn every_limiter_carries_in_both_directions() {
    if !is_root() {
        skip!("needs root");
    }
    let _alone = alone();
    for variant in all() {
        let Some(limiter) = variant.limiter() else { continue };
        for direction in Direction::ALL {
            for bits_per_s in [1_000_000, 1_000_000_000] {
                let what = format!("{} {bits_per_s} {}", variant.name(), direction.name());
                comes_and_goes(&what, || limiter.build(Limit { bits_per_s, direction }));
            }
        }
    }
}

/// All that a chore may change in a namespace, sorted, without counts.
fn state(host: &Namespace) -> Vec<String> {
    let mut lines = Vec::new();
    for command in ["iptables-legacy-save", "nft -s list ruleset", "tc qdisc show"] {
        let text = host.run(command).stdout;
        // Tables and chains that accept stay once they have been used.
        let used = ["#", "*", "COMMIT", "table ", "chain ", "}", "type "];
        let is_used = |line: &str| line.starts_with(':') && line.contains(" ACCEPT");
        let rules = text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_used(line));
        let rules = rules.filter(|line| !used.iter().any(|word| line.starts_with(word)));
        lines.extend(rules.map(|line| line.split(" [").next().unwrap_or_default().to_owned()));
    }
    let (nowhere, other) = (Path::new("/nowhere"), Namespace::new());
    let hooks = Snapshot::of(host, nowhere).since(&Snapshot::of(&other, nowhere));
    // The switch is the machine's: any `dpctl` on it may have it on just now.
    lines.extend(hooks.into_iter().filter(|line| !line.starts_with("/sys/")));
    lines.extend(host.processes().into_iter().map(|(_, line)| line));
    lines.sort();
    lines
}

#[test]
fn what_a_chore_adds_it_removes_again() {
    if !is_root() {
        skip!("needs root");
    }
    let _alone = alone();
    let crowd = Arc::new(Crowd::new(3).unwrap());
    for variant in all() {
        let Some(chore) = variant.chore() else { continue };
        let untouched = state(&crowd.host);
        let mut work = chore.begin(&crowd).unwrap_or_else(|e| panic!("{}: {e:#}", variant.name()));
        let mut changed = |what: &str, act: &mut dyn FnMut(&mut dyn Work) -> Result<()>| {
            act(&mut *work).unwrap_or_else(|e| panic!("{} {what}: {e:#}", variant.name()));
            state(&crowd.host)
        };
        let begun = changed("begin", &mut |_| Ok(()));
        let one = changed("add", &mut |work| work.add(1));
        assert_ne!(one, begun, "{}: add", variant.name());
        let all = changed("add_all", &mut |work| work.add_all(2..=3));
        assert_ne!(all, one, "{}: add_all", variant.name());
        changed("remove", &mut |work| work.remove(2));
        // The kernel numbers queues anew.
        let again = changed("add again", &mut |work| work.add(2));
        assert_eq!(again.len(), all.len(), "{}: add again: {again:?}", variant.name());
        assert_eq!(
            changed("remove_all", &mut |work| work.remove_all(2..=3)),
            one,
            "{}: remove_all",
            variant.name()
        );
        assert_eq!(changed("remove", &mut |work| work.remove(1)), begun, "{}: remove", variant.name());
        changed("add_all", &mut |work| work.add_all(1..=3));
        drop(work);
        // Processes take a moment to go.
        let left = || Some(state(&crowd.host)).filter(|now| *now != untouched);
        within(Duration::from_secs(5), || left().is_none().then_some(()));
        assert_eq!(left(), None, "{}: left behind, where there was {untouched:?}", variant.name());
    }
}

#[test]
fn a_bed_that_does_not_do_what_its_name_says_is_refused() {
    if !is_root() {
        skip!("needs root");
    }
    let _alone = alone();
    let bed = Bed::routed();
    let said = |proof: Result<()>| proof.unwrap_err().to_string();
    assert!(said(proof::is_seen_as(&bed, SERVER_GATEWAY)).contains("and should see 10.79.0.1"));
    assert!(said(proof::refuses_direct(&bed)).contains("should be dropped"));
    assert!(said(proof::has_queued(bed.host(), SERVER_VETH, "tbf")).contains("veth2 has no tbf"));
}

#[test]
fn a_missing_tool_and_too_large_a_number_are_a_line_each() {
    struct Wanting;
    impl Variant for Wanting {
        fn name(&self) -> &'static str {
            "wanting"
        }
        fn about(&self) -> &'static str {
            ""
        }
        fn needs(&self) -> &[Tool] {
            &[Tool { program: "no-such-program", package: "no-such-package" }]
        }
        fn build(&self, _size: u32) -> Result<Bed> {
            unreachable!("it is refused")
        }
    }
    assert_eq!(
        refusal(&Wanting, 1).as_deref(),
        Some("needs no-such-program: install the Debian package no-such-package")
    );
    let proxy = docker_proxy::DockerProxy;
    assert!(
        proxy.needs()[0].find().is_none() || refusal(&proxy, 10_000).unwrap().contains("1000 at the most")
    );
}
