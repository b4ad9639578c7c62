//! Client and server at two ports of a bridge, as two containers of one network.

use anyhow::Result;

use super::Variant;
use crate::bed::Bed;

pub(super) struct Bridge;

impl Variant for Bridge {
    fn name(&self) -> &'static str {
        "bridge"
    }

    fn about(&self) -> &'static str {
        "two ports of a Linux bridge, no filter"
    }

    fn build(&self, _size: u32) -> Result<Bed> {
        // br_netfilter would send bridged packets through iptables where it is loaded; with no rule
        // it costs all the same.
        let bed = Bed::bridged();
        for switch in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"] {
            if bed.host().enter(|| std::fs::exists(format!("/proc/sys/net/bridge/{switch}"))).unwrap_or(false)
            {
                bed.host().sysctl(&format!("bridge/{switch}"), "0");
            }
        }
        Ok(bed)
    }
}
