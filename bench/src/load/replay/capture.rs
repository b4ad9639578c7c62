//! The frames of a capture file: pcap with microseconds or nanoseconds, or pcapng.
//!
//! Keeps what can be sent over a bed, and counts what cannot, by reason. Refuses a file that ends
//! in the middle, and one of which nothing is left.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{
    Block, Linktype, PcapBlockOwned, PcapNGSlice, parse_pcap_frame, parse_pcap_frame_be,
    parse_pcap_frame_modified, parse_pcap_header,
};

use crate::load::frame::{Unfit, judge};

/// What is sent.
#[derive(Debug)]
pub(super) struct Capture {
    /// In the order of the file.
    pub(super) frames: Vec<Frame>,
    left_out: BTreeMap<Reason, usize>,
}

/// A frame and when it is due.
#[derive(Debug)]
pub(super) struct Frame {
    /// After the first one. Never before the frame that precedes it in the file.
    pub(super) at: Duration,
    /// As it was captured.
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Unfit(Unfit),
    NotEthernet,
    NotWhole,
    NoTime,
}

/// How an interface of a pcapng file counts time.
struct Clock {
    kind: Linktype,
    units_per_s: u128,
    offset_s: i64,
}

impl Capture {
    /// Reads a whole file.
    pub(super) fn parse(file: &[u8]) -> Result<Self> {
        let mut capture = Self { frames: Vec::new(), left_out: BTreeMap::new() };
        let mut times = Times { first: None, last: 0 };
        if let Ok((mut rest, header)) = parse_pcap_header(file) {
            let units_per_s = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
            let clock = Clock { kind: header.network, units_per_s, offset_s: 0 };
            let next = match () {
                () if header.is_bigendian() => parse_pcap_frame_be,
                () if header.is_modified_format() => parse_pcap_frame_modified,
                () => parse_pcap_frame,
            };
            while !rest.is_empty() {
                let Ok((after, block)) = next(rest) else { bail!(capture.broken()) };
                rest = after;
                let units = u128::from(block.ts_sec) * clock.units_per_s + u128::from(block.ts_usec);
                let at = times.at(clock.ns(units));
                capture.take(clock.kind, at, block.data, block.origlen);
            }
        } else if let Ok(blocks) = PcapNGSlice::from_slice(file) {
            let mut clocks: Vec<Clock> = Vec::new();
            for block in blocks {
                let Ok(PcapBlockOwned::NG(block)) = block else { bail!(capture.broken()) };
                match block {
                    Block::SectionHeader(_) => clocks.clear(),
                    Block::InterfaceDescription(interface) => clocks.push(Clock {
                        kind: interface.linktype,
                        units_per_s: units_per_s(interface.if_tsresol)?,
                        offset_s: interface.if_tsoffset,
                    }),
                    Block::EnhancedPacket(packet) => {
                        let Some(clock) = clocks.get(packet.if_id as usize) else { bail!(capture.broken()) };
                        let units = u128::from(packet.ts_high) << 32 | u128::from(packet.ts_low);
                        let at = times.at(clock.ns(units));
                        capture.take(clock.kind, at, packet.packet_data(), packet.origlen);
                    }
                    Block::SimplePacket(_) => capture.leave_out(Reason::NoTime),
                    Block::NameResolution(_)
                    | Block::InterfaceStatistics(_)
                    | Block::SystemdJournalExport(_)
                    | Block::DecryptionSecrets(_)
                    | Block::ProcessInformation(_)
                    | Block::Custom(_)
                    | Block::Unknown(_) => {}
                }
            }
        } else {
            bail!("neither pcap nor pcapng");
        }
        if capture.frames.is_empty() {
            let why = capture.left_out().unwrap_or_else(|| "it has none".to_owned());
            bail!("no frame in it can be sent: {why}");
        }
        let first = capture.frames[0].at;
        capture.frames.iter_mut().for_each(|frame| frame.at -= first);
        ensure!(u32::try_from(capture.frames.len()).is_ok(), "more frames than can be numbered");
        Ok(capture)
    }

    /// From the first frame to the last, and as much again as lies between two of them.
    pub(super) fn duration(&self) -> Duration {
        let gaps = u32::try_from(self.frames.len() - 1).unwrap_or(u32::MAX);
        let last = self.frames.last().map_or(Duration::ZERO, |frame| frame.at);
        last + last.checked_div(gaps).unwrap_or(Duration::ZERO)
    }

    /// `3 of 120 frames are left out: 2 IPv6, 1 fragment`.
    pub(super) fn left_out(&self) -> Option<String> {
        let count: usize = self.left_out.values().sum();
        let reasons: Vec<String> =
            self.left_out.iter().map(|(reason, count)| format!("{count} {}", reason.name())).collect();
        let all = count + self.frames.len();
        (count > 0).then(|| format!("{count} of {all} frames are left out: {}", reasons.join(", ")))
    }

    fn take(&mut self, kind: Linktype, at: Duration, bytes: &[u8], length: u32) {
        if kind != Linktype::ETHERNET {
            self.leave_out(Reason::NotEthernet);
        } else if let Err(unfit) = judge(bytes) {
            // What was cut short seems malformed, or long enough by chance.
            let whole = bytes.len() >= length as usize;
            self.leave_out(if whole || unfit != Unfit::Malformed {
                Reason::Unfit(unfit)
            } else {
                Reason::NotWhole
            });
        } else if bytes.len() < length as usize {
            self.leave_out(Reason::NotWhole);
        } else {
            self.frames.push(Frame { at, bytes: bytes.to_vec() });
        }
    }

    fn leave_out(&mut self, reason: Reason) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    fn broken(&self) -> String {
        let frames = self.frames.len() + self.left_out.values().sum::<usize>();
        format!("it is broken or cut off after {frames} frames")
    }
}

impl Clock {
    fn ns(&self, units: u128) -> i128 {
        let ns = units.saturating_mul(1_000_000_000) / self.units_per_s;
        i128::try_from(ns).unwrap_or(i128::MAX).saturating_add(i128::from(self.offset_s) * 1_000_000_000)
    }
}

/// Time that does not run backwards.
struct Times {
    first: Option<i128>,
    last: u64,
}

impl Times {
    fn at(&mut self, ns: i128) -> Duration {
        let first = *self.first.get_or_insert(ns);
        let since = u64::try_from(ns.saturating_sub(first).max(0)).unwrap_or(u64::MAX);
        self.last = self.last.max(since);
        Duration::from_nanos(self.last)
    }
}

/// `if_tsresol`: a negative power of 10, or of 2 where the highest bit is set.
fn units_per_s(resolution: u8) -> Result<u128> {
    let exponent = u32::from(resolution & 0x7f);
    let base: u128 = if resolution & 0x80 == 0 { 10 } else { 2 };
    match base.checked_pow(exponent) {
        Some(units) if exponent <= 63 && units <= 1 << 64 => Ok(units),
        _ => bail!("an interface in it counts time in units of {base}^-{exponent} s"),
    }
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::Unfit(Unfit::Ipv6) => "IPv6",
            Self::Unfit(Unfit::NotIp) => "not IP",
            Self::Unfit(Unfit::Fragment) => "fragments",
            Self::Unfit(Unfit::TooLong) => "longer than 1,514 bytes",
            Self::Unfit(Unfit::Malformed) => "malformed",
            Self::NotEthernet => "not Ethernet",
            Self::NotWhole => "captured in part",
            Self::NoTime => "without a time",
        }
    }
}

#[cfg(test)]
mod tests;
