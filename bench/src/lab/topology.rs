//! A topology of a lab file, as a variant: namespaces, veths, and commands that set up the rest.
//!
//! Everything is inside the namespaces, so it goes with them. IPv6 is off, as on every bed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use dataplane_tests::command::{ends_within, pid};
use dataplane_tests::netns::Namespace;
use rustix::process::{Signal, kill_process_group};
use toml::Spanned;

use super::check::Text;
use super::ends::{self, End, Link};
use super::shape;
use crate::bed::Bed;
use crate::interrupt;
use crate::panics::caught;
use crate::strays::EndsThem;
use crate::variant::Variant;

/// What a command has, where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// So much of what a failed command says is told.
const SAID: u64 = 2000;

/// The topology.
#[derive(Debug)]
pub(crate) struct Topology {
    /// As `--variants` takes it.
    pub(super) name: String,
    /// Where the name stands.
    pub(super) at: Range<usize>,
    about: String,
    /// Client, server, then the others.
    namespaces: Vec<String>,
    listen: SocketAddr,
    connect: SocketAddr,
    links: Vec<Link>,
    commands: Vec<Setup>,
}

/// A command of the set-up.
#[derive(Debug)]
struct Setup {
    place: String,
    namespace: usize,
    command: String,
    timeout: Duration,
}

/// Judges the table of a variant.
pub(super) fn judge(text: &Text<'_>, table: shape::Variant) -> Result<Topology> {
    let name = text.name(&table.name, "variant")?;
    let at = table.name.span();
    let about = text.about(table.about.as_ref(), "a topology of a lab file")?;
    let mut namespaces = vec!["client".to_owned(), "server".to_owned()];
    for namespace in &table.namespaces {
        let name = text.name(namespace, "namespace")?;
        if namespaces.contains(&name) {
            let what = format!("there is a namespace `{name}` already (client and server are always there)");
            return Err(text.refuse(namespace.span(), &what));
        }
        namespaces.push(name);
    }
    let (mut links, mut taken) = (Vec::new(), BTreeSet::new());
    for link in &table.link {
        links.push(ends::judge(text, link, &namespaces, &mut taken)?);
    }
    ends::have_inside(&links, &namespaces)
        .map_err(|error| text.refuse(at.clone(), &format!("variant `{name}`: {error}")))?;
    let listen = socket(text, &table.listen, "listen")?;
    let mut servers = links.iter().flat_map(|link| &link.ends).filter(|end| end.namespace == 1);
    let is_at = |end: &End| end.addresses.iter().any(|(address, _)| IpAddr::V4(*address) == listen.ip());
    if !servers.any(is_at) {
        let what = format!("`listen`: no end of a link in `server` has the address {}", listen.ip());
        return Err(text.refuse(table.listen.span(), &what));
    }
    let connect = table.connect.as_ref().map(|connect| socket(text, connect, "connect")).transpose()?;
    let mut commands = Vec::new();
    for run in table.run {
        commands.push(setup(text, &run, &namespaces)?);
    }
    let connect = connect.unwrap_or(listen);
    Ok(Topology { name, at, about, namespaces, listen, connect, links, commands })
}

fn socket(text: &Text<'_>, socket: &Spanned<String>, key: &str) -> Result<SocketAddr> {
    let parsed = socket.get_ref().split_once(':').and_then(|(address, port)| {
        let address: Ipv4Addr = address.parse().ok()?;
        let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
        Some(SocketAddr::new(address.into(), port))
    });
    parsed.ok_or_else(|| {
        let given = socket.get_ref().escape_debug();
        text.refuse(socket.span(), &format!("`{key}` is IPv4 with a port, as 10.1.0.2:8080, not `{given}`"))
    })
}

fn setup(text: &Text<'_>, run: &shape::Run, namespaces: &[String]) -> Result<Setup> {
    let command = run.command.get_ref();
    if command.trim().is_empty() || command.contains('\0') {
        return Err(text.refuse(run.command.span(), "`command` is a line for a shell"));
    }
    let within = Duration::from_millis(1)..=Duration::from_mins(10);
    let timeout = run.timeout.as_ref().map(|time| text.time(time, "a timeout", within)).transpose()?;
    Ok(Setup {
        place: text.place(run.command.span().start),
        namespace: ends::namespace(text, &run.namespace, namespaces)?,
        command: command.clone(),
        timeout: timeout.unwrap_or(TIMEOUT),
    })
}

impl Variant for Topology {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> &str {
        &self.about
    }

    fn build(&self, _size: u32) -> Result<Bed> {
        let others: Vec<Arc<Namespace>> = self.namespaces.iter().skip(2).map(|_| fresh()).collect();
        // Whoever looks at the host between looks at the first.
        let mut bed = Bed::new(others.first().map(Arc::clone));
        (bed.listen, bed.connect) = (self.listen, self.connect);
        for other in &others {
            bed.keep(Arc::clone(other));
        }
        let strays =
            EndsThem::new([&bed.client, &bed.server].into_iter().chain(others.iter().map(|one| &**one)));
        bed.keep(strays);
        let namespace = |number: usize| match number {
            0 => &bed.client,
            1 => &bed.server,
            other => &*others[other - 2],
        };
        for link in &self.links {
            let made = caught(|| {
                join(&link.ends, [&link.ends[0], &link.ends[1]].map(|end| namespace(end.namespace)));
                Ok(())
            });
            made.with_context(|| format!("{}: this link", link.place))?;
        }
        for setup in &self.commands {
            interrupt::check()?;
            setup.run(namespace(setup.namespace)).with_context(|| setup.place.clone())?;
        }
        Ok(bed.up())
    }
}

fn fresh() -> Arc<Namespace> {
    let namespace = Namespace::new();
    for which in ["all", "default"] {
        namespace.sysctl(&format!("ipv6/conf/{which}/disable_ipv6"), "1");
    }
    Arc::new(namespace)
}

fn join(ends: &[End; 2], [one, other]: [&Namespace; 2]) {
    let mtu = |end: &End| end.mtu.map(|mtu| format!("mtu {mtu}")).unwrap_or_default();
    let [first, second] = ends;
    // Each name behind its keyword: an interface may be called `up`.
    one.ip(&format!(
        "link add name {} {} type veth peer name {} {} netns {}",
        first.name,
        mtu(first),
        second.name,
        mtu(second),
        other.name()
    ));
    for (end, at) in [(first, one), (second, other)] {
        let name = &end.name;
        let addresses = end
            .addresses
            .iter()
            .map(|(address, prefix)| format!("address add {address}/{prefix} dev {name}\n"));
        at.ip_batch(&format!("{}link set dev {name} up\n", addresses.collect::<String>()));
    }
}

impl Setup {
    /// Runs it to its end. What it puts into the background goes with the topology.
    fn run(&self, namespace: &Namespace) -> Result<()> {
        // A file, not a pipe: what stays in the background would hold a pipe open.
        let mut said = tempfile::tempfile().context("a file for what a command says")?;
        let mut command = namespace.command("/bin/sh");
        command.args(["-ec", &self.command]).process_group(0).stdin(Stdio::null());
        command.stdout(said.try_clone()?).stderr(said.try_clone()?);
        let mut child = command.spawn().context("start a shell")?;
        let end = Instant::now() + self.timeout;
        let in_time = loop {
            let left = end.saturating_duration_since(Instant::now());
            if ends_within(&child, left.min(Duration::from_millis(50))) {
                break true;
            }
            if left.is_zero() || interrupt::check().is_err() {
                break false;
            }
        };
        if !in_time {
            kill_process_group(pid(&child), Signal::KILL).ok();
        }
        let status = child.wait().context("wait for a shell")?;
        interrupt::check()?;
        ensure!(in_time, "`{}` took longer than {:?}", first_line(&self.command), self.timeout);
        if !status.success() {
            bail!("`{}` failed ({status}){}", first_line(&self.command), words(&mut said));
        }
        Ok(())
    }
}

fn first_line(command: &str) -> &str {
    command.trim().lines().next().unwrap_or_default()
}

/// What it said, in one line.
fn words(said: &mut File) -> String {
    let mut text = Vec::new();
    if said.rewind().and_then(|()| said.take(SAID).read_to_end(&mut text)).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { text } else { format!(": {text}") }
}
