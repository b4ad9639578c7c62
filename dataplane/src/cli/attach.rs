//! `dpctl attach --rate 128kbit veth123`

use std::io::{ErrorKind, IsTerminal, Read};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::limit_options::{LimitOptions, NOTATION};
use super::progress::Progress;
use super::{Global, note, note_departed};
use crate::attach::{Request, attach};
use crate::attachment::{Hook, Limits};
use crate::error::{Attempt, Error, Result};
use crate::instance::Instance;
use crate::netlink::{Device, Netlink};
use crate::netns::NetNs;
use crate::open::require_root;
use crate::select;
use crate::session::Session;
use crate::sys::Order;

/// Limits and counts the traffic of interfaces
///
/// Attaching again sets the limits to what is asked for now. Without a rate, traffic is only
/// counted. The limit stays when dpctl has exited, and goes with the interface: a container
/// that restarts has a new veth, and needs a new attach.
#[derive(Debug, Args)]
#[command(after_help = format!("{NOTATION}\n\n{EXAMPLES}"))]
pub struct Attach {
    #[command(flatten)]
    limits: LimitOptions,
    /// Interfaces: host sides of veths
    #[arg(value_name = "IFACE")]
    interfaces: Vec<String>,
    /// Read more names from standard input, separated by white space
    #[arg(long)]
    stdin: bool,
    /// The host side of the veth of this process's container
    #[arg(long, value_name = "PID", value_parser = pid, conflicts_with_all = ["netns", "interfaces", "stdin"])]
    pid: Option<u32>,
    /// The host side of the veth in this network namespace (a name, or a path)
    #[arg(long, value_name = "PATH", conflicts_with_all = ["interfaces", "stdin"])]
    netns: Option<String>,
    /// The container's interface, with --pid or --netns
    #[arg(long, value_name = "NAME", default_value = "eth0")]
    interface: String,
    /// Kind of hook that the programs are attached to: tcx, clsact, or auto (tcx where the kernel
    /// has it, from Linux 6.6 on; else clsact)
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = HookChoice::Auto)]
    hook: HookChoice,
    /// Before or after the programs that others have attached [default: last]
    #[arg(long, value_enum)]
    order: Option<OrderChoice>,
    /// Attach to devices other than veths as well
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  dpctl attach --rate 128kbit veth123
  dpctl attach --from-container 10mbit --to-container 1gbit veth123 veth124
  dpctl attach --rate 10mbit --pid $(docker inspect -f '{{.State.Pid}}' web)";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HookChoice {
    /// tcx where the kernel has it, else clsact
    Auto,
    /// Links (Linux 6.6)
    Tcx,
    /// Filters of the clsact qdisc
    Clsact,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OrderChoice {
    First,
    Last,
}

fn pid(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|pid| *pid > 0).ok_or("not a process id")
}

/// As much of standard input is read.
const LONGEST_INPUT: u64 = 16 << 20;

impl Attach {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        let names = self.names()?;
        let limits = self.limits.request();
        if !limits.is_empty() && limits.limits() == Limits::default() {
            return Err(Error::Usage("attach: --burst and --latency go with a rate".to_owned()));
        }
        let request = Request {
            limits: limits.limits(),
            hook: match self.hook {
                HookChoice::Auto => None,
                HookChoice::Tcx => Some(Hook::Tcx),
                HookChoice::Clsact => Some(Hook::Clsact),
            },
            order: self.order.map(|order| match order {
                OrderChoice::First => Order::First,
                OrderChoice::Last => Order::Last,
            }),
        };
        request.limits.to_map()?;
        require_root("attach")?;
        let directories = global.directories();
        // All names are judged before anything is made.
        if !Instance::find(&directories)?.exists() {
            self.devices(&Netlink::open()?, &names).await?;
        }
        let mut session = Session::change(&directories, "attach").await?;
        note_departed(&session.departed);
        match self.attach(&mut session, &names, request).await {
            Ok(devices) => {
                self.limits.note_surprises();
                note_local_pairs(&devices, request.limits);
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => Err(session.give_up(error)),
        }
    }

    async fn attach(&self, session: &mut Session, names: &[String], request: Request) -> Result<Vec<Device>> {
        // Under the lock: while it was waited for, a number may have got another owner.
        let devices = self.devices(&session.netlink, names).await?;
        self.note_found(&devices);
        let progress = Progress::new("attach", devices.len());
        attach(session, &devices, request, |done| progress.set(done)).await?;
        progress.finish();
        Ok(devices)
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names = self.interfaces.clone();
        if self.stdin {
            let mut text = String::new();
            let input = std::io::stdin().take(LONGEST_INPUT + 1).read_to_string(&mut text);
            if matches!(&input, Err(error) if error.kind() == ErrorKind::InvalidData) {
                return Err(Error::Usage("standard input: names that are not UTF-8".to_owned()));
            }
            let length = input.attempt(|| "read names from standard input".to_owned())?;
            if length as u64 > LONGEST_INPUT {
                return Err(Error::Usage("standard input: more than 16 MiB of names".to_owned()));
            }
            names.extend(text.split_whitespace().map(str::to_owned));
        }
        let container = self.pid.is_some() || self.netns.is_some();
        if names.is_empty() && !container && !self.stdin {
            return Err(Error::Usage(
                "attach: which interface? Name some, or give --pid, --netns or --stdin".to_owned(),
            ));
        }
        if !container && self.interface != "eth0" {
            return Err(Error::Usage("attach: --interface goes with --pid or --netns".to_owned()));
        }
        select::check_names(&names)?;
        select::check_names(std::slice::from_ref(&self.interface))?;
        Ok(names)
    }

    async fn devices(&self, netlink: &Netlink, names: &[String]) -> Result<Vec<Device>> {
        let container = match (self.pid, &self.netns) {
            (Some(pid), _) => NetNs::of_pid(pid)?,
            (None, Some(netns)) => NetNs::open(netns)?,
            (None, None) => return select::by_name(netlink, names, self.force).await,
        };
        select::host_side(netlink, &container, &self.interface).await.map(|device| vec![device])
    }

    /// Which interface a container's is, for a person.
    fn note_found(&self, devices: &[Device]) {
        let container = self.pid.map(|pid| format!("pid {pid}")).or_else(|| self.netns.clone());
        if let (Some(container), [device]) = (container, devices)
            && std::io::stderr().is_terminal()
        {
            let container = container.escape_debug();
            note(&format!("{container}: the host side of {} is {}", self.interface, device.name));
        }
    }
}

fn note_local_pairs(devices: &[Device], limits: Limits) {
    const FEW: usize = 5;
    let done = if limits == Limits::default() { "counted" } else { "limited and counted" };
    let local: Vec<&Device> =
        devices.iter().filter(|device| device.is_veth() && device.peer_is_here()).collect();
    for device in local.iter().take(FEW) {
        note(&format!(
            "{}: {done}, but its peer is in this namespace too: is it a container's veth?",
            device.name
        ));
    }
    if local.len() > FEW {
        note(&format!("and {} more have their peers in this namespace", local.len() - FEW));
    }
}
