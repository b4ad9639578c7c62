//! Processes of docker-proxy: started as Docker starts them, ended by their ids.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use dataplane_tests::netns::{Namespace, processes};
use rustix::process::{Pid, Signal, kill_process};

use super::Tool;
use super::docker_shape::Published;

pub(super) const PROXY: Tool = Tool { program: "docker-proxy", package: "docker.io" };

/// In the environment of each, with the process id of who started it.
const OWNER: &str = "DPBENCH_PROXY_OF";

/// One process. Give it to [`end`].
pub(super) struct Proxy {
    pub(super) host_port: u16,
    child: Child,
}

impl Proxy {
    /// Starts one inside; whether it listens is told by [`Proxy::listens`].
    pub(super) fn start(inside: &Namespace, port: &Published) -> Result<Self> {
        let program = PROXY.find().with_context(|| PROXY.wanted())?;
        // It tells on descriptor 3 that it listens; the standard library passes on but three.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"exec "$0" "$@" 3>&1 >/dev/null"#]).arg(program);
        command.args(["-proto", port.protocol, "-host-ip", "0.0.0.0"]);
        command.args(["-host-port", &port.host_port.to_string()]);
        command.args(["-container-ip", &port.address.to_string()]);
        command.args(["-container-port", &port.port.to_string()]);
        command.env(OWNER, std::process::id().to_string());
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = inside.enter(|| command.spawn()).context("start docker-proxy")?;
        Ok(Self { host_port: port.host_port, child })
    }

    /// Returns once it listens.
    pub(super) fn listens(&mut self) -> Result<()> {
        let mut said = [0; 2];
        let Some(pipe) = self.child.stdout.as_mut() else { return Ok(()) };
        if pipe.read_exact(&mut said).is_ok() && said == *b"0\n" {
            return Ok(());
        }
        let mut why = String::new();
        pipe.read_to_string(&mut why).context("read what docker-proxy says")?;
        bail!("docker-proxy does not listen on port {}: {}", self.host_port, why.trim())
    }
}

/// Ends them, all at once, and waits for it.
pub(super) fn end(mut proxies: Vec<Proxy>) {
    for proxy in &proxies {
        // One that is gone already has said why.
        kill_process(Pid::from_child(&proxy.child), Signal::INT).ok();
    }
    for proxy in &mut proxies {
        if let Err(error) = proxy.child.wait() {
            eprintln!("end docker-proxy {}: {error}", proxy.child.id());
        }
    }
}

/// Ends the processes of runs that were killed.
pub(super) fn sweep() {
    for process in processes().filter(|process| is_orphan(*process)) {
        if let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::KILL).ok();
        }
    }
}

fn is_orphan(process: u32) -> bool {
    let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let owner = variables.find_map(|line| Some(line.strip_prefix(OWNER)?.strip_prefix('=')?.to_owned()));
    owner.is_some_and(|owner| !fs::exists(format!("/proc/{owner}")).unwrap_or(true))
}
