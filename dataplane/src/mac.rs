//! Hardware addresses of interfaces.

use std::fmt;
use std::str::FromStr;

/// A 48-bit MAC address; all zero for devices that have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// The first six bytes; all zero if there are not as many.
    pub fn from_slice(bytes: &[u8]) -> Self {
        Self(bytes.first_chunk().copied().unwrap_or_default())
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if place == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl FromStr for Mac {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a MAC address: six hexadecimal bytes with colons";
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or(WRONG)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_not_hex| WRONG)?;
        }
        if parts.next().is_some() { Err(WRONG) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_reads() {
        for text in ["00:00:00:00:00:00", "fe:ff:00:1a:2b:3c"] {
            assert_eq!(text.parse::<Mac>().map(|mac| mac.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "00", "00:00:00:00:00", "00:00:00:00:00:00:00", "0:0:0:0:0:0", "zz:00:00:00:00:00"] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
