//! The CNI project's plugin `bandwidth`, run as a container runtime runs it: tbf on the host's
//! veth, and for what comes from the container tbf on an ifb device that it is redirected to. The
//! latency is the plugin's own, 25 ms.
//!
//! The burst has to be told, and is in bits. It is as large as that of the variant `tbf`, 32 kB or
//! 4 ms. Kubernetes asks for 2^31 - 1 bits, 256 MiB, which no measurement here would use up: at
//! 10 Mbit/s it is three and a half minutes without a limit.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use dataplane_common::direction::Direction;
use dataplane_tests::netns::Namespace;
use serde_json::{Value, json};

use super::proof::{self, TC};
use super::queues::{TEN_MBIT, batch};
use super::{Chore, Limit, Limiter, Tool, UNREACHED, Variant, Work, tool};
use crate::bed::{Bed, CLIENT, INSIDE, SERVER_VETH};
use crate::crowd::Crowd;
use crate::interrupt;
use crate::rivals::Tbf;

pub(super) struct CniBandwidth;

const PLUGIN: Tool = Tool { program: "/usr/lib/cni/bandwidth", package: "containernetworking-plugins" };

impl Variant for CniBandwidth {
    fn name(&self) -> &'static str {
        "cni-bandwidth"
    }

    fn about(&self) -> &'static str {
        "the CNI plugin bandwidth: tbf, and ifb with tbf, on the host"
    }

    fn needs(&self) -> &[Tool] {
        &[PLUGIN, TC]
    }

    fn unfair(&self) -> &'static [&'static str] {
        &[
            "For cni-bandwidth: its burst is that of tbf here; Kubernetes asks for 2 Gbit, with which it hardly \
           limits. Removing it takes off the veth's queues as well, which the plugin leaves to the end of the veth.",
        ]
    }

    fn build(&self, _size: u32) -> Result<Bed> {
        limited(&Direction::ALL.map(|direction| Limit { bits_per_s: UNREACHED, direction }))
    }

    fn limiter(&self) -> Option<&dyn Limiter> {
        Some(self)
    }

    fn chore(&self) -> Option<&dyn Chore> {
        Some(self)
    }
}

impl Limiter for CniBandwidth {
    fn build(&self, limit: Limit) -> Result<Bed> {
        limited(&[limit])
    }
}

fn limited(limits: &[Limit]) -> Result<Bed> {
    let bed = Bed::routed();
    let veth = Veth { name: SERVER_VETH, id: bed.server.name(), inside: bed.server.path() };
    let result = plugin(bed.host(), "ADD", &veth, limits)?;
    let result: Value = serde_json::from_str(&result).context("read what the plugin bandwidth answers")?;
    proof::is_seen_as(&bed, CLIENT)?;
    for limit in limits {
        let device = match limit.direction {
            Direction::ToContainer => SERVER_VETH,
            // What it has made stands last.
            Direction::FromContainer => result["interfaces"]
                .as_array()
                .and_then(|all| all.last()?["name"].as_str())
                .context("the plugin bandwidth names no ifb device")?,
        };
        proof::has_queued(bed.host(), device, "tbf")?;
    }
    Ok(bed)
}

/// A host's veth and the container behind it.
struct Veth<'v> {
    name: &'v str,
    id: &'v str,
    inside: PathBuf,
}

/// Runs the plugin, which is given what the plugins before it have made.
fn plugin(host: &Namespace, action: &str, veth: &Veth<'_>, limits: &[Limit]) -> Result<String> {
    let sandbox = &veth.inside;
    let mut network = json!({
        "cniVersion": "1.0.0",
        "name": "dpbench",
        "type": "bandwidth",
        "prevResult": {
            "cniVersion": "1.0.0",
            "interfaces": [{ "name": veth.name }, { "name": INSIDE, "sandbox": sandbox }],
        },
    });
    for limit in limits {
        // The plugin's words are the container's: ingress enters it.
        let (rate, burst) = match limit.direction {
            Direction::ToContainer => ("ingressRate", "ingressBurst"),
            Direction::FromContainer => ("egressRate", "egressBurst"),
        };
        network[rate] = limit.bits_per_s.into();
        network[burst] = (Tbf { bits_per_s: limit.bits_per_s }.burst() * 8).into();
    }
    let mut command = PLUGIN.command()?;
    command.env("CNI_COMMAND", action).env("CNI_CONTAINERID", veth.id);
    command.env("CNI_NETNS", sandbox).env("CNI_IFNAME", INSIDE).env("CNI_PATH", "/usr/lib/cni");
    // Errors are JSON on standard output.
    let output = tool::attempt(host, &mut command, &network.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let error: Value = serde_json::from_str(&said).unwrap_or_default();
        let why = error["msg"].as_str().unwrap_or("without a word");
        bail!("{} {action} for {}: {why}", PLUGIN.program, veth.name);
    }
    Ok(said)
}

impl Chore for CniBandwidth {
    fn about(&self) -> &'static str {
        "the plugin's ADD, both directions; its DEL and tc qdisc del; all: one by one"
    }

    fn begin(&self, crowd: &Arc<Crowd>) -> Result<Box<dyn Work>> {
        Ok(Box::new(AtWork { crowd: Arc::clone(crowd), present: BTreeSet::new() }))
    }
}

struct AtWork {
    crowd: Arc<Crowd>,
    present: BTreeSet<u32>,
}

impl AtWork {
    fn plugin(&self, action: &str, number: u32) -> Result<()> {
        let limits = Direction::ALL.map(|direction| Limit { bits_per_s: TEN_MBIT, direction });
        let container = self.crowd.container(number);
        let veth = Veth { name: &self.crowd.veth(number), id: container.name(), inside: container.path() };
        plugin(&self.crowd.host, action, &veth, &limits).map(drop)
    }

    /// The plugin takes its ifb device away and leaves the veth's queues to the end of the veth.
    fn take_off(&mut self, numbers: &[u32]) -> Result<()> {
        let mut lines = Vec::new();
        for number in numbers {
            self.plugin("DEL", *number)?;
            self.present.remove(number);
            let veth = self.crowd.veth(*number);
            lines.extend(["root", "ingress"].map(|place| format!("qdisc del dev {veth} {place}")));
        }
        batch(&self.crowd.host, &lines)
    }
}

impl Work for AtWork {
    fn add(&mut self, number: u32) -> Result<()> {
        interrupt::check()?;
        self.plugin("ADD", number)?;
        self.present.insert(number);
        Ok(())
    }

    fn remove(&mut self, number: u32) -> Result<()> {
        self.take_off(&[number])
    }

    /// A run of the plugin is for one container.
    fn add_all(&mut self, mut numbers: RangeInclusive<u32>) -> Result<()> {
        numbers.try_for_each(|number| self.add(number))
    }

    fn remove_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        self.take_off(&numbers.collect::<Vec<_>>())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let left: Vec<u32> = self.present.iter().copied().collect();
        if let Err(error) = self.take_off(&left) {
            eprintln!("take the limits off: {error:#}");
        }
    }
}
