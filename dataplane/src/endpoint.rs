//! An endpoint: the attachment of one sandbox to one network.
//!
//! A veth pair, addresses and a MAC, known by its slot: the host side is called `dpv<slot>`, so
//! that a command that was killed leaves nothing that cannot be found again.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dataplane_common::address::{Ip, Mac};
use dataplane_common::sender::Identity;

use crate::attachment::{Limits, State};
use crate::name::Name;

/// What the names of host sides begin with; the slot follows.
pub const PREFIX: &str = "dpv";

/// One attachment of a sandbox to a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Index into the maps.
    pub slot: u32,
    /// Its network's number.
    pub network: u32,
    /// Whose it is.
    pub sandbox: Name,
    /// The boot that its veth lives in.
    pub boot_id: String,
    /// How far the last command got.
    pub state: State,
    /// What the sandbox calls its end.
    pub interface: String,
    /// One of each family of the network; none where the network has none.
    pub addresses: Vec<IpAddr>,
    /// Of the sandbox's end.
    pub mac: Mac,
    /// Of both ends, in bytes.
    pub mtu: u32,
    /// Of its default routes; `None`: it has none.
    pub metric: Option<u32>,
    /// Set in the sandbox: `net.` names, with `IFNAME` for the interface.
    pub sysctls: BTreeMap<String, String>,
    /// What it may send and receive: as asked for, and as left when its veth was lost.
    pub limits: Limits,
}

impl Endpoint {
    /// The name of its host side.
    pub fn host_side(&self) -> String {
        format!("{PREFIX}{}", self.slot)
    }

    /// The MAC of its host side.
    pub fn host_mac(&self) -> Mac {
        host_side_of(self.mac)
    }

    /// Who it is, for the programs.
    pub fn identity(&self) -> Identity {
        let address = |is_ipv4| self.address(is_ipv4).map_or(Ip::UNSET, Ip::from);
        Identity::new(self.mac, address(true), address(false))
    }

    /// All its addresses in its network, the link-local one of IPv6 included.
    pub fn owned(&self) -> Vec<IpAddr> {
        let link_local = self.address(false).map(|_| IpAddr::from(self.mac.link_local()));
        self.addresses.iter().copied().chain(link_local).collect()
    }

    /// Its address of one family.
    pub fn address(&self, is_ipv4: bool) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| address.is_ipv4() == is_ipv4)
    }
}

/// The slot in the name of a host side.
pub fn slot_in(name: &str) -> Option<u32> {
    let slot = name.strip_prefix(PREFIX)?.parse().ok()?;
    (name == format!("{PREFIX}{slot}")).then_some(slot)
}

/// The MAC of who has an address: locally administered, and always the same, so that neighbours
/// who remember a former owner are still right.
pub fn mac_of(address: IpAddr) -> Mac {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            Mac([0x0a, 0x64, a, b, c, d])
        }
        // The end of it tells stations of a subnet apart, if they were not given addresses by hand.
        IpAddr::V6(address) => {
            let [.., a, b, c, d] = address.octets();
            Mac([0x0a, 0x66, a, b, c, d])
        }
    }
}

/// The MAC of the host side of a station's link: another than the station's, and as lasting.
pub fn host_side_of(mac: Mac) -> Mac {
    let mut bytes = mac.0;
    bytes[0] ^= 0x04;
    Mac(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_are_local_and_of_one_station() {
        for text in ["10.0.0.2", "255.255.255.255", "fd00::2", "fd00:1:2:3:ffff:ffff:ffff:ffff"] {
            let mac = mac_of(text.parse().expect("an address"));
            for mac in [mac, host_side_of(mac)] {
                assert!(!mac.is_group() && mac.0[0] & 2 == 2, "{text}: {mac}");
            }
            assert_ne!(mac, host_side_of(mac), "{text}");
        }
    }

    #[test]
    fn only_what_a_host_side_is_called_has_a_slot() {
        assert_eq!(slot_in("dpv0"), Some(0));
        assert_eq!(slot_in("dpv16383"), Some(16_383));
        for other in ["dpv", "dpv01", "dpv+1", "dpv-1", "dpvx", "dpbr1", "veth1", "dpv99999999999"] {
            assert_eq!(slot_in(other), None, "{other}");
        }
    }
}
