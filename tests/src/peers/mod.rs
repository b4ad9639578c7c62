//! The engines that users have: a real dockerd, a real podman, each in namespaces of its own.
//!
//! A test starts one by [`start_peer!`](crate::start_peer), which skips where the engine is not
//! installed, and fails there if `DATAPLANE_PEERS=required`.

mod docker;
mod ground;
mod image;
mod podman;

use std::collections::BTreeSet;
use std::env;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

pub use docker::Docker;
pub use podman::Podman;

use crate::command::{Output, run};
use crate::eventually::eventually;
use crate::netns::Namespace;

/// An engine at work; stopped on drop, with all that it made.
pub trait Engine: Sized {
    /// What it is called.
    const NAME: &'static str;

    /// The executables that it needs.
    const NEEDS: &'static [&'static str];

    /// What its default network is called.
    const NETWORK: &'static str;

    /// Starts it. Ask [`missing`] first.
    fn start() -> Self;

    /// The namespace in which it has its bridge and veths.
    fn host(&self) -> &Namespace;

    /// Its command line with the words of `line`.
    fn command(&self, line: &str) -> Command;

    /// What a container is run with, besides a name, an image and a command.
    fn options(&self) -> String {
        String::new()
    }

    /// Runs its command line with the words of `line`; it must succeed.
    #[track_caller]
    fn run(&self, line: &str) -> Output {
        run(&mut self.command(line)).ok()
    }

    /// Runs a container that idles, on the default network.
    #[track_caller]
    fn container(&self, name: &str) -> Container<'_, Self> {
        self.run(&format!("run --detach --name {name} {} {} /bin/sleep 3600", self.options(), image::NAME));
        let pid = self.run(&format!("inspect --format {{{{.State.Pid}}}} {name}")).stdout;
        let pid = pid.trim().parse().unwrap_or_else(|e| panic!("pid of {name}: {pid:?}: {e}"));
        Container { engine: self, name: name.to_owned(), pid }
    }

    /// All that the engine has set up in its namespace, line by line: a tool that leaves it
    /// alone leaves this the same. Waits until the kernel has settled on addresses.
    #[track_caller]
    fn networking(&self) -> BTreeSet<String> {
        let host = self.host();
        eventually("no address is tentative", || !host.ip("address").stdout.contains("tentative"));
        let listings = [
            ("rules", host.run("iptables-save")),
            ("address", host.ip("address")),
            ("link", host.ip("-o link")),
            ("route", host.ip("route show table all")),
            ("route", host.ip("-6 route show table all")),
            ("qdisc", host.run("tc qdisc show")),
            (Self::NETWORK, self.run(&format!("network inspect {}", Self::NETWORK))),
        ];
        let mut all = BTreeSet::new();
        for (what, listing) in listings {
            let lines = listing.stdout.lines().filter_map(without_what_moves);
            // The first qdisc of a device, clsact too, gives it this length if it has none (before tcx).
            let words = |line: &str| {
                line.replace(" qlen 1000", "")
                    .replace('\\', " ")
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            all.extend(lines.map(|line| format!("{what}: {}", words(line))));
        }
        all
    }
}

/// Dates and packet counters change by themselves.
fn without_what_moves(line: &str) -> Option<&str> {
    match line.split_once(" [") {
        _ if line.starts_with('#') || line.contains("\"created\":") => None,
        Some((chain, _counters)) if line.starts_with(':') => Some(chain),
        _ => Some(line),
    }
}

/// A container of an engine; removed on drop.
#[derive(Debug)]
pub struct Container<'e, E: Engine> {
    engine: &'e E,
    name: String,
    /// The process id of its first process, as seen from here.
    pub pid: u32,
}

impl<E: Engine> Container<'_, E> {
    /// The words of `line`, to be run inside by the engine.
    pub fn command(&self, line: &str) -> Command {
        self.engine.command(&format!("exec {} {line}", self.name))
    }

    /// Runs the words of `line` inside by the engine; it must succeed.
    #[track_caller]
    pub fn run(&self, line: &str) -> Output {
        run(&mut self.command(line)).ok()
    }

    /// The name of the host side of its `eth0`.
    #[track_caller]
    pub fn veth(&self) -> String {
        let net = format!("--net=/proc/{}/ns/net", self.pid);
        let inside =
            run(Command::new("nsenter").args([&net, "ip", "-j", "link", "show", "dev", "eth0"])).ok().json();
        let links = self.engine.host().ip("-j link").json();
        let mut links = links.as_array().into_iter().flatten();
        let outside = links.find(|link| link["ifindex"] == inside[0]["link_index"]);
        let name = outside.and_then(|link| link["ifname"].as_str());
        name.unwrap_or_else(|| panic!("no host side of {inside}")).to_owned()
    }

    /// The address of its default gateway, which is the engine's host.
    #[track_caller]
    pub fn gateway(&self) -> IpAddr {
        let net = format!("--net=/proc/{}/ns/net", self.pid);
        let routes =
            run(Command::new("nsenter").args([&net, "ip", "-j", "route", "show", "default"])).ok().json();
        let gateway = routes[0]["gateway"].as_str().and_then(|address| address.parse().ok());
        gateway.unwrap_or_else(|| panic!("no gateway in {routes}"))
    }
}

impl<E: Engine> Drop for Container<'_, E> {
    fn drop(&mut self) {
        let removed = run(&mut self.engine.command(&format!("rm --force {}", self.name)));
        if removed.code != 0 {
            eprintln!("{removed}");
        }
    }
}

/// The first of `executables` that is not installed.
pub fn missing(executables: &[&'static str]) -> Option<&'static str> {
    let absent = |executable: &&&str| executable_path(executable).is_none();
    executables.iter().find(absent).copied()
}

/// Whether the peers must be there, as in CI.
pub fn required() -> bool {
    env::var_os("DATAPLANE_PEERS").is_some_and(|value| value == "required")
}

/// Starts the engine of a type, or ends the test: with `skipped:`, or, where peers are
/// required, as failed.
#[macro_export]
macro_rules! start_peer {
    ($engine:ty) => {{
        if let Some(missing) = $crate::peers::missing(<$engine as $crate::peers::Engine>::NEEDS) {
            let reason = ::std::format!("peers: {missing} is not installed: cargo xtask setup --peers");
            assert!(!$crate::peers::required(), "{reason}");
            $crate::skip!("{reason}");
        }
        <$engine as $crate::peers::Engine>::start()
    }};
}

/// The path of an executable. The distribution's comes first: a newer client of the same name
/// elsewhere may not speak the daemon's language.
fn executable_path(name: &str) -> Option<String> {
    let system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(str::to_owned);
    let path = env::var("PATH").unwrap_or_default();
    let folders = system.into_iter().chain(path.split(':').map(str::to_owned));
    folders.map(|folder| format!("{folder}/{name}")).find(|path| Path::new(path).is_file())
}
