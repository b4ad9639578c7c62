//! Addresses as maps and packets hold them: bytes in the order of the wire.
//!
//! Both families are one type: IPv4 stands in its mapped form (RFC 4291, 2.5.5.2), so that keys
//! and decisions have one code path. Byte order is crossed nowhere else.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// A 48-bit MAC address; all zero is "unset".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C, align(2))] // compared by words: a program has no unaligned loads
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// To every station.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether it names a group of stations, broadcast included.
    #[inline(always)]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// The link-local address that a station makes from it: modified EUI-64 (RFC 4291, appendix A).
    #[inline(always)]
    pub const fn link_local(self) -> Ip {
        let [m0, m1, m2, m3, m4, m5] = self.0;
        Ip([0xfe, 0x80, 0, 0, 0, 0, 0, 0, m0 ^ 2, m1, m2, 0xff, 0xfe, m3, m4, m5])
    }
}

impl Mac {
    /// The first six bytes; unset if there are not as many.
    pub fn from_slice(bytes: &[u8]) -> Self {
        Self(bytes.first_chunk().copied().unwrap_or_default())
    }
}

impl FromStr for Mac {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a MAC address: six hexadecimal bytes with colons";
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let is_byte =
                |part: &&str| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
            let part = parts.next().filter(is_byte).ok_or(WRONG)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_not_hex| WRONG)?;
        }
        if parts.next().is_some() { Err(WRONG) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [m0, m1, m2, m3, m4, m5] = self.0;
        write!(f, "{m0:02x}:{m1:02x}:{m2:02x}:{m3:02x}:{m4:02x}:{m5:02x}")
    }
}

/// An IPv4 or IPv6 address; all zero is "unset", and so is IPv6's unspecified address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C, align(8))] // as above
pub struct Ip(pub [u8; 16]);

impl Ip {
    /// No address.
    pub const UNSET: Self = Self([0; 16]);
    /// IPv4's 0.0.0.0.
    pub const V4_UNSPECIFIED: Self = Self::v4([0; 4]);
    /// IPv4's 255.255.255.255.
    pub const V4_BROADCAST: Self = Self::v4([0xff; 4]);

    /// Of four bytes.
    #[inline(always)]
    pub const fn v4([a, b, c, d]: [u8; 4]) -> Self {
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// Whether it is IPv4's.
    #[inline(always)]
    pub const fn is_v4(self) -> bool {
        matches!(self.0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ..])
    }

    /// Whether it names a group: IPv4 224/4 and the limited broadcast, IPv6 `ff00::/8`.
    #[inline(always)]
    pub const fn is_group(self) -> bool {
        if self.is_v4() {
            self.0[12] & 0xf0 == 0xe0 || matches!(self.0, [.., 0xff, 0xff, 0xff, 0xff])
        } else {
            self.0[0] == 0xff
        }
    }

    /// The multicast address at which a station asks for the owner of this one (RFC 4291, 2.7.1).
    #[inline(always)]
    #[must_use]
    pub const fn solicited_node(self) -> Self {
        let [.., a, b, c] = self.0;
        Self([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
    }
}

impl From<IpAddr> for Ip {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::v4(address.octets()),
            IpAddr::V6(address) => Self(address.octets()),
        }
    }
}

impl From<Ip> for IpAddr {
    fn from(address: Ip) -> Self {
        match address.0 {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => Ipv4Addr::new(a, b, c, d).into(),
            octets => Ipv6Addr::from(octets).into(),
        }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        IpAddr::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ip {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn addresses_come_back_as_they_went_in() {
        for text in ["0.0.0.0", "10.1.2.3", "255.255.255.255", "::", "::1", "fe80::1", "ff02::1"] {
            assert_eq!(ip(text).to_string(), text);
        }
    }

    #[test]
    fn macs_print_what_they_read() {
        for text in ["00:00:00:00:00:00", "fe:ff:00:1a:2b:3c"] {
            assert_eq!(text.parse::<Mac>().map(|mac| mac.to_string()).as_deref(), Ok(text));
        }
        for text in [
            "",
            "00",
            "00:00:00:00:00",
            "00:00:00:00:00:00:00",
            "0:0:0:0:0:0",
            "zz:00:00:00:00:00",
            "+1:00:00:00:00:00",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }

    #[test]
    fn groups_are_known_in_both_families() {
        for text in ["224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1", "ff0e::1"] {
            assert!(ip(text).is_group(), "{text}");
        }
        for text in ["223.255.255.255", "240.0.0.1", "10.0.0.255", "fe80::1", "::", "::ffff:1:224.0.0.1"] {
            assert!(!ip(text).is_group(), "{text}");
        }
    }

    #[test]
    fn a_station_makes_its_link_local_address_from_its_mac() {
        // RFC 2464, 4: 34-56-78-9A-BC-DE gives the identifier 36-56-78-FF-FE-9A-BC-DE.
        let mac = Mac([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]);
        assert_eq!(mac.link_local(), ip("fe80::3656:78ff:fe9a:bcde"));
    }

    #[test]
    fn the_owner_of_an_address_is_asked_for_at_its_solicited_node_address() {
        // RFC 4291, 2.7.1.
        assert_eq!(ip("4037::1:800:200e:8c6c").solicited_node(), ip("ff02::1:ff0e:8c6c"));
    }
}
