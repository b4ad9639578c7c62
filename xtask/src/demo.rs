//! `cargo xtask demo`: two namespaces, one veth, one limit, measured before and after.
//!
//! Runs the real `dpctl` with state and pins of its own, and removes every trace, also on Ctrl-C.

mod lab;
mod report;
mod traffic;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::packages::Purpose;
use crate::{build, interrupt, setup};
use lab::Lab;
use report::{Figures, Way};
use traffic::{FAST, SLOW};

/// The limit of the demo, as one types it and as a number.
const RATE: &str = "128kbit";
const BITS_PER_SECOND: f64 = 128_000.0;

/// Prepares, tells the story, removes every trace, and shows the figures last.
pub(crate) fn run() -> Result<()> {
    setup::ensure(&[Purpose::Build, Purpose::Run])?;
    if !setup::is_root() {
        bail!("demo: it makes namespaces and loads programs; run the same as root");
    }
    build::run()?;
    interrupt::catch()?;
    lab::sweep();
    let mut lab = Lab::new()?;
    let told = tell(&lab);
    println!("demo: removing all of it");
    let removed = lab.remove();
    let figures = told?;
    print!("\n{}", report::table(RATE, BITS_PER_SECOND, &figures));
    removed
}

fn tell(lab: &Lab) -> Result<Figures> {
    println!("demo: namespaces \"host\" and \"container\", joined by a veth: {} and eth0", lab::VETH);
    println!("demo: without a limit: UDP, then TCP, each way (5 s)");
    let blast = |way| traffic::udp_one_way(lab, way, Duration::from_millis(200), Duration::from_millis(800));
    let udp_free = [blast(Way::FromContainer)?, blast(Way::ToContainer)?];
    let stream = |way, run| traffic::tcp(lab, way, run);
    let tcp_free = [stream(Way::FromContainer, &FAST)?, stream(Way::ToContainer, &FAST)?];

    lab.dpctl(&["attach", "--rate", RATE, lab::VETH])?;
    println!("demo: with the limit: UDP both ways at once, four times as much as may pass (8 s)");
    let udp =
        traffic::udp_both_ways(lab, 4.0 * BITS_PER_SECOND, Duration::from_secs(2), Duration::from_secs(6))?;
    println!("demo: with the limit: TCP from the container (9 s)");
    let from = stream(Way::FromContainer, &SLOW)?;
    println!("demo: with the limit: TCP to the container (9 s)");
    let to = stream(Way::ToContainer, &SLOW)?;

    lab.dpctl(&["ls"])?;
    lab.dpctl(&["stats"])?;
    Ok(Figures {
        congestion: from.congestion.clone(),
        udp: [(udp_free[0], udp[0]), (udp_free[1], udp[1])],
        tcp: [
            (tcp_free[0].bits_per_second, from.bits_per_second),
            (tcp_free[1].bits_per_second, to.bits_per_second),
        ],
    })
}
