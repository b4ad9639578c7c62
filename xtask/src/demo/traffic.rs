//! Sends and measures: iperf3 makes the traffic, the receiving side counts it.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::lab::{HOST, Lab, Namespace};
use super::report::Way;
use crate::interrupt;

/// What a TCP stream got.
pub(super) struct Stream {
    pub(super) bits_per_second: f64,
    /// The algorithm that the sender used; on another one the figure would be another.
    pub(super) congestion: String,
}

/// How long a stream runs.
pub(super) struct Run {
    omit: u16,
    seconds: u16,
    window: Option<&'static str>,
}

/// Long enough at gigabits.
pub(super) const FAST: Run = Run { omit: 0, seconds: 1, window: None };
/// Without the start, in which a limit lets its burst through. The window, since at the end iperf3
/// waits for the sender's buffer to drain: the kernel's choice of it holds many seconds of a low rate.
pub(super) const SLOW: Run = Run { omit: 2, seconds: 7, window: Some("--window=32K") };

/// One TCP stream, as its receiver saw it.
pub(super) fn tcp(lab: &Lab, way: Way, run: &Run) -> Result<Stream> {
    let (omit, time) = (run.omit.to_string(), run.seconds.to_string());
    let mut arguments = vec!["--json", "--congestion", "cubic", "--omit", &omit, "--time", &time];
    arguments.extend(run.window);
    let mut transfer = Transfer::start(lab, &arguments, way.flag())?;
    let deadline = Duration::from_secs(u64::from(run.omit + run.seconds + 20));
    let report: Value =
        serde_json::from_slice(&transfer.finish(deadline)?).context("demo: iperf3 gave no JSON")?;
    if let Some(error) = report["error"].as_str() {
        bail!("demo: iperf3: {error}");
    }
    let bits_per_second = report["end"]["sum_received"]["bits_per_second"].as_f64();
    Ok(Stream {
        bits_per_second: bits_per_second.context("demo: iperf3 reports no throughput")?,
        congestion: report["end"]["sender_tcp_congestion"].as_str().unwrap_or("unknown").to_owned(),
    })
}

/// Small UDP datagrams one way as fast as they go, in bits per second of whole frames.
pub(super) fn udp_one_way(lab: &Lab, way: Way, warm_up: Duration, window: Duration) -> Result<f64> {
    let [from, to] = udp(lab, way.flag(), 0.0, warm_up, window)?;
    Ok(match way {
        Way::FromContainer => from,
        Way::ToContainer => to,
    })
}

/// Small UDP datagrams both ways at `offer` bits per second of whole frames each.
pub(super) fn udp_both_ways(lab: &Lab, offer: f64, warm_up: Duration, window: Duration) -> Result<[f64; 2]> {
    udp(lab, Some("--bidir"), offer, warm_up, window)
}

/// Small, so that many fit into a few seconds of a low rate, and one more or less is no matter.
const DATAGRAM: f64 = 200.0;
/// What the limit counts for one: UDP, IPv4 and Ethernet headers come on top.
const FRAME: f64 = DATAGRAM + 8.0 + 20.0 + 14.0;

fn udp(lab: &Lab, flag: Option<&str>, offer: f64, warm_up: Duration, window: Duration) -> Result<[f64; 2]> {
    let payload = format!("{:.0}", offer * DATAGRAM / FRAME);
    let time = format!("{:.0}", (warm_up + window).as_secs_f64().ceil());
    let size = format!("{DATAGRAM:.0}");
    let arguments = ["--json", "--udp", "--length", &size, "--bitrate", &payload, "--time", &time];
    let mut transfer = Transfer::start(lab, &arguments, flag)?;
    interrupt::pause(warm_up)?;
    let (begin, before) = (Instant::now(), received(lab)?);
    interrupt::pause(window)?;
    let (seconds, after) = (begin.elapsed().as_secs_f64(), received(lab)?);
    transfer.finish(Duration::from_secs(20))?;
    Ok([0, 1].map(|side| (after[side] - before[side]) * FRAME * 8.0 / seconds))
}

/// Datagrams that reached a socket of the host, and of the container.
fn received(lab: &Lab) -> Result<[f64; 2]> {
    let count = |namespace: &Namespace| {
        in_datagrams(&namespace.proc_net("snmp")?).context("demo: the kernel counts no UDP datagrams")
    };
    Ok([count(&lab.host)?, count(&lab.container)?])
}

/// One run of iperf3: the server in the host's namespace, the client in the container's.
struct Transfer {
    server: Child,
    client: Child,
}

impl Transfer {
    fn start(lab: &Lab, arguments: &[&str], flag: Option<&str>) -> Result<Self> {
        let mut server = spawn(lab.host.enter("iperf3").args(["--server", "--one-off"]))?;
        let listening = interrupt::until("demo: start iperf3", Duration::from_secs(5), || {
            ["tcp", "tcp6"].iter().any(|table| lab.host.proc_net(table).is_ok_and(|text| is_listening(&text)))
        });
        let mut client = lab.container.enter("iperf3");
        client.args(["--client", HOST, "--interval", "0"]).args(arguments).args(flag);
        match listening.and_then(|()| spawn(&mut client)) {
            Ok(client) => Ok(Self { server, client }),
            Err(error) => {
                end(&mut server);
                Err(error)
            }
        }
    }

    /// What the client printed.
    fn finish(&mut self, deadline: Duration) -> Result<Vec<u8>> {
        // The report of one run fits into the pipe, so the client never waits for us.
        let status = interrupt::wait("demo: iperf3", &mut self.client, deadline)?;
        // Ctrl-C on the terminal reaches iperf3 as well; its own message about that says less.
        interrupt::check()?;
        let mut text = Vec::new();
        if let Some(output) = &mut self.client.stdout {
            std::io::Read::read_to_end(output, &mut text).context("demo: read from iperf3")?;
        }
        if !status.success() {
            let report: Value = serde_json::from_slice(&text).unwrap_or_default();
            bail!("demo: iperf3: {}", report["error"].as_str().unwrap_or("failed without a message"));
        }
        Ok(text)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        end(&mut self.client);
        end(&mut self.server);
    }
}

fn spawn(command: &mut Command) -> Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("demo: start iperf3")
}

fn end(child: &mut Child) {
    // An error means that it has ended already.
    child.kill().ok();
    child.wait().ok();
}

/// Whether /proc/net/tcp has a socket that listens on iperf3's port.
fn is_listening(table: &str) -> bool {
    let is_ours = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(1).is_some_and(|local| local.ends_with(":1451")) && words.get(3) == Some(&"0A")
    };
    table.lines().any(is_ours)
}

/// `InDatagrams` of /proc/net/snmp, which has a line of names and a line of values.
fn in_datagrams(snmp: &str) -> Option<f64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let position = names.split(' ').position(|name| name == "InDatagrams")?;
    values.split(' ').nth(position)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_found_by_name() {
        let snmp = "Udp: NoPorts InDatagrams\nUdp: 3 45\nUdpLite: InDatagrams\nUdpLite: 7\n";
        assert_eq!(in_datagrams(snmp), Some(45.0));
        assert_eq!(in_datagrams("Tcp: x\n"), None);
    }

    #[test]
    fn a_listening_server_is_told_from_a_connected_one() {
        let line =
            |state| format!("  0: 00000000:1451 00000000:0000 {state} 00000000:00000000 00:00000000\n");
        assert!(is_listening(&line("0A")));
        assert!(!is_listening(&line("01")));
        assert!(!is_listening("  0: 00000000:0016 00000000:0000 0A 0\n"));
    }
}
