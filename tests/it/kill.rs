//! Commands that are killed or hindered, and what they are run on.

use std::{env, fs};

use dataplane_tests::command::run;
use dataplane_tests::dpctl::{Dpctl, binary};
use dataplane_tests::eventually::eventually;
use dataplane_tests::hooks;
use dataplane_tests::leftovers::files;
use dataplane_tests::machine;
use dataplane_tests::netns::Namespace;
use dataplane_tests::skip::say;
use dataplane_tests::state::State;
use dataplane_tests::strace;
use dataplane_tests::topology::Topology;
use rusqlite::Connection;

use crate::limited::{TIGHT, assert_limited_both};
use crate::pairs::add_pairs;

/// A command, and what goes before it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Run before, with `TIGHT` and `MANY` spelled out; see [`Ground::spoil`] for what is no command.
    before: &'static [&'static str],
    command: &'static str,
    /// Whether box 1 is limited from before the command to after it.
    limited: bool,
    /// What the command may answer when it finds its work done.
    pub(crate) done: i32,
    /// What `ls` may answer before it, and after a kill that changed nothing.
    pub(crate) listed: i32,
    /// What the command answers when nothing hinders it.
    pub(crate) code: i32,
    /// Whether it works on another instance, which `ls` does not settle.
    pub(crate) of_others: bool,
}

impl Scenario {
    /// Whether it is about networks, which `reconcile --check` compares with the kernel as a whole.
    pub(crate) fn is_of_networks(&self) -> bool {
        let words = ["network", "sandbox", "connect"];
        words.iter().any(|word| self.name.contains(word))
    }
}

const fn scenario(
    name: &'static str,
    before: &'static [&'static str],
    command: &'static str,
    limited: bool,
) -> Scenario {
    Scenario { name, before, command, limited, done: 0, listed: 0, code: 0, of_others: false }
}

const LIMITED: &[&str] = &["attach TIGHT veth1"];
const LIMITED_MANY: &[&str] = &["attach TIGHT veth1", "attach MANY"];
const LIMITED_CLSACT: &[&str] = &["attach TIGHT --hook clsact veth1"];

const NETWORK: &str = "network create web --subnet 10.88.1.0/24 --subnet fd88:1::/64";
const ROUTED: &str = "network create web --kind routed --subnet 10.88.1.0/24 --subnet fd88:1::/64";
// The same addresses each time: those that were given back rest.
const CONNECT: &str = "connect web BOX1 --ip 10.88.1.5 --ip fd88:1::5 --rate 1mbit";
const CONNECTED: &[&str] = &[
    "attach TIGHT veth1",
    NETWORK,
    "sandbox create BOX1",
    "sandbox create BOX2",
    "connect web BOX2 --ip 10.88.1.6 --ip fd88:1::6",
    CONNECT,
];

/// Those that this kernel can have: what unpins a link, or finds by its links that a namespace is
/// gone, needs links.
pub(crate) fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    let needs_links = |scenario: &Scenario| {
        scenario.before.iter().any(|line| line.starts_with("unpin ") || *line == "another's remains")
    };
    SCENARIOS.iter().filter(move |scenario| !needs_links(scenario) || hooks::has("tcx"))
}

const SCENARIOS: &[Scenario] = &[
    scenario("first attach", &[], "attach TIGHT veth1", false),
    scenario("first attach, clsact", &[], "attach TIGHT --hook clsact veth1", false),
    scenario("attach", LIMITED, "attach --rate 1mbit many0", true),
    scenario("attach, clsact", LIMITED, "attach --rate 1mbit --hook clsact many0", true),
    scenario("attach again", LIMITED, "attach TIGHT --burst 3kb veth1", true),
    scenario("attach of many", LIMITED, "attach --rate 1mbit MANY", true),
    scenario("limit set", LIMITED, "limit set veth1 --rate 65kbit", true),
    scenario("limit clear", LIMITED_MANY, "limit clear many0", true),
    scenario("upgrade", LIMITED, "upgrade", true),
    scenario("upgrade, clsact", LIMITED_CLSACT, "upgrade", true),
    Scenario { done: 3, ..scenario("detach", LIMITED_MANY, "detach many0", true) },
    Scenario { done: 3, ..scenario("detach of many", LIMITED_MANY, "detach MANY", true) },
    Scenario { done: 3, ..scenario("detach, clsact", LIMITED_CLSACT, "detach veth1", false) },
    scenario(
        "reconcile",
        &["attach TIGHT veth1", "attach MANY", "unpin from_container_1"],
        "reconcile",
        true,
    ),
    Scenario {
        listed: 7,
        ..scenario("upgrade of a layout", &["attach TIGHT veth1", "old layout"], "upgrade", true)
    },
    // Killed while it ends what one killed before it has begun.
    scenario("settle", &["attach TIGHT veth1", "attach MANY", "half detached"], "ls", true),
    // Its undoing is killed and hindered as well.
    Scenario {
        code: 4,
        done: 4,
        ..scenario("refused first attach", &[], "attach TIGHT --force --hook clsact lo", false)
    },
    Scenario {
        of_others: true,
        ..scenario("clear remains", &["attach TIGHT veth1", "another's remains"], "reconcile", true)
    },
    Scenario { done: 4, ..scenario("network create", LIMITED, NETWORK, true) },
    Scenario { done: 4, ..scenario("network create, routed", LIMITED, ROUTED, true) },
    scenario("network set", &["attach TIGHT veth1", NETWORK], "network set web --icc off", true),
    Scenario { done: 4, ..scenario("sandbox create", LIMITED, "sandbox create BOX1", true) },
    Scenario {
        done: 4,
        ..scenario("connect", &["attach TIGHT veth1", NETWORK, "sandbox create BOX1"], CONNECT, true)
    },
    Scenario {
        done: 4,
        ..scenario("connect, routed", &["attach TIGHT veth1", ROUTED, "sandbox create BOX1"], CONNECT, true)
    },
    Scenario { done: 3, ..scenario("disconnect", CONNECTED, "disconnect web BOX1", true) },
    Scenario { done: 3, ..scenario("network rm", CONNECTED, "network rm --force web", true) },
    Scenario { done: 3, ..scenario("sandbox rm", CONNECTED, "sandbox rm BOX1", true) },
    scenario("reset of networks", CONNECTED, "reset --yes", false),
    scenario("reset", LIMITED_MANY, "reset --yes", false),
    scenario("reset, clsact", LIMITED_CLSACT, "reset --yes", false),
];

/// Interfaces beside the box's own.
const MANY: usize = 20;
const FEW: usize = 10;

/// A host on which a scenario is run again and again.
pub(crate) struct Ground<'t> {
    pub(crate) topology: &'t Topology,
    pub(crate) dpctl: Dpctl<'t>,
    pub(crate) scenario: &'t Scenario,
    many: Vec<String>,
}

/// A host with one box and some veths.
pub(crate) fn topology() -> (Topology, Vec<String>) {
    let topology = Topology::new(1);
    let many = add_pairs(&topology.host, if machine::full() { MANY } else { FEW });
    // Where an attach with clsact is refused.
    topology.host.run("tc qdisc add dev lo ingress");
    (topology, many)
}

impl<'t> Ground<'t> {
    pub(crate) fn new(topology: &'t Topology, many: &[String], scenario: &'t Scenario) -> Self {
        Self { topology, dpctl: Dpctl::new(&topology.host), scenario, many: many.to_vec() }
    }

    fn words(&self, line: &str) -> String {
        let host = self.topology.host.name();
        let line = line.replace("BOX1", &format!("{host}-1")).replace("BOX2", &format!("{host}-2"));
        line.replace("TIGHT", TIGHT).replace("MANY", &self.many.join(" "))
    }

    /// Runs what goes before the command, from nothing.
    #[track_caller]
    pub(crate) fn prepare(&self) -> State {
        self.dpctl.run("reset --yes");
        for line in self.scenario.before {
            if !self.spoil(line) {
                self.dpctl.run(&self.words(line));
            }
        }
        self.state()
    }

    /// Does what no command does; `false` for a command.
    #[track_caller]
    fn spoil(&self, line: &str) -> bool {
        if let Some(pin) = line.strip_prefix("unpin ") {
            let hooks = || self.state().lines("tcx:").count();
            let before = hooks();
            fs::remove_file(self.dpctl.pin(pin)).expect("bpffs removes");
            // The kernel detaches a link that nobody holds a little later.
            eventually("the link is gone", || hooks() < before);
            return true;
        }
        match line {
            "old layout" => {
                let layout = self.dpctl.pin("SLOTS").parent().expect("a directory").to_owned();
                fs::rename(&layout, layout.with_file_name("layout_0")).expect("bpffs renames");
            }
            "half detached" => {
                let all = files(&self.dpctl.state_dir());
                let file = all.iter().find(|file| file.ends_with("state.db")).expect("there is one");
                let connection = Connection::open(file).expect("it is a database");
                let mark = "UPDATE attachment SET state = 'removing' WHERE interface LIKE 'many%'";
                connection.execute_batch(mark).expect("it takes that");
            }
            "another's remains" => {
                let gone = Namespace::new();
                add_pairs(&gone, 1);
                let mut attach = std::process::Command::new(binary());
                attach.arg("--state-dir").arg(self.dpctl.state_dir());
                attach.arg("--bpffs-dir").arg(self.dpctl.bpffs_dir()).args(["-n", gone.name()]);
                run(attach.args(["attach", "--rate", "1mbit", "many0"])).ok();
                drop(gone);
                // The kernel takes a namespace down a little later.
                eventually("it is found gone", || self.dpctl.try_run("reconcile --check").code == 8);
            }
            _ => return false,
        }
        true
    }

    /// The command, ready to run.
    pub(crate) fn command(&self) -> std::process::Command {
        self.dpctl.command(&self.words(self.scenario.command))
    }

    /// The state that the command leads to when nothing hinders it, and the calls that it makes.
    #[track_caller]
    pub(crate) fn clean(&self, calls: &str) -> (State, Vec<String>) {
        self.prepare();
        let (output, calls) = strace::calls(&self.command(), calls);
        assert_eq!(output.code, self.scenario.code, "{output}");
        (self.state(), calls)
    }

    pub(crate) fn state(&self) -> State {
        State::of(&self.topology.host, &self.dpctl)
    }

    #[track_caller]
    pub(crate) fn assert_still_limited(&self, when: &str) {
        if self.scenario.limited {
            assert_limited_both(self.topology, 1, when);
        }
    }

    /// Maps and kernel are as the database says.
    #[track_caller]
    pub(crate) fn assert_holds_together(&self, what: &str) {
        let check = self.dpctl.try_run("reconcile --check");
        assert_eq!(check.code, 0, "{what}: {check}");
    }

    /// Runs the command once more: it must lead to where it leads without hindrance.
    #[track_caller]
    pub(crate) fn assert_leads_to(&self, clean: &State, what: &str) {
        let again = run(&mut self.command());
        assert!(again.code == 0 || again.code == self.scenario.done, "{what}: the same again: {again}");
        // What one that was killed had made for a first attach stays: it is none any more.
        if self.scenario.code == 0 {
            self.state().assert_is(clean, &format!("{what}: the same again"));
        } else {
            assert_eq!(work(&self.state()), work(clean), "{what}: the same again");
        }
        self.assert_still_limited(what);
    }
}

/// What matters to traffic and to the next attach: rows, map entries, hooks; not whether programs
/// are loaded and a bpffs mounted.
pub(crate) fn work(state: &State) -> Vec<String> {
    let kinds = [
        "attachment:",
        "map entry:",
        "tcx:",
        "filter:",
        "qdisc:",
        "network:",
        "sandbox:",
        "endpoint:",
        "lease:",
        "link:",
        "address:",
        "route:",
        "rule:",
        "neighbour:",
        "namespace ",
        "files of sandbox ",
    ];
    let lines = kinds.iter().flat_map(|kind| state.lines(kind));
    // An address that was given back is nobody's, and rests.
    let rests = |line: &&str| line.starts_with("lease:") && line.contains("slot none");
    lines.filter(|line| !rests(line)).map(str::to_owned).collect()
}

/// The short tier tries the same points everywhere, so that what it finds was changed here.
const SEED: u64 = 20;

/// Which of `count` points are tried: all of them in a full run, else a `sample`, with the seed
/// printed; `DATAPLANE_SEED` gives another.
pub(crate) fn points(name: &str, count: usize, sample: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..count).collect();
    if machine::full() || count <= sample {
        return all;
    }
    let mut seed = env::var("DATAPLANE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED).max(1);
    let first = seed;
    let mut picked: Vec<usize> = (0..sample)
        .map(|_| {
            // xorshift64
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let bound = u64::try_from(all.len()).unwrap_or(u64::MAX);
            all.swap_remove(usize::try_from(seed % bound).unwrap_or(0))
        })
        .collect();
    picked.sort_unstable();
    say(&format!("{name}: points {picked:?} of {count}, DATAPLANE_SEED={first}"));
    picked
}
