//! The table at the end of the demo.

/// A direction, from the container's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    FromContainer,
    ToContainer,
}

impl Way {
    /// What the client in the container's namespace tells iperf3.
    pub(super) fn flag(self) -> Option<&'static str> {
        match self {
            Self::FromContainer => None,
            Self::ToContainer => Some("--reverse"),
        }
    }
}

/// Bits per second without and with the limit; from the container, then to it.
pub(super) struct Figures {
    pub(super) congestion: String,
    pub(super) udp: [(f64, f64); 2],
    pub(super) tcp: [(f64, f64); 2],
}

/// The figures beside the limit.
pub(super) fn table(rate: &str, limit: f64, figures: &Figures) -> String {
    let mut lines = vec![format!("{:<22}{:>15}{:>16}   {}", "", "without limit", rate, "of the limit")];
    for (side, way) in ["from the container", "to the container"].into_iter().enumerate() {
        lines.push(line(way, "UDP", figures.udp[side], limit));
        lines.push(line("", "TCP", figures.tcp[side], limit));
    }
    lines.push(String::new());
    lines.push("UDP is counted in whole frames, as the limit is: 100 % is right.".to_owned());
    lines.push(format!(
        "TCP ({}) is counted without headers, 1448 bytes of a frame of 1514: 96 % is right, give or take a few\n\
         packets in so short a time.\n",
        figures.congestion
    ));
    lines.join("\n")
}

fn line(way: &str, protocol: &str, (free, limited): (f64, f64), limit: f64) -> String {
    let percent = 100.0 * limited / limit;
    format!("{way:<19}{protocol}{:>15}{:>16}   {percent:>5.1} %", readable(free), readable(limited))
}

/// `41.2 Gbit/s`.
fn readable(bits_per_second: f64) -> String {
    let mut value = bits_per_second;
    for unit in ["bit/s", "kbit/s", "Mbit/s"] {
        if value < 1000.0 {
            return format!("{value:.1} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} Gbit/s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_readable() {
        assert_eq!(readable(127_900.0), "127.9 kbit/s");
        assert_eq!(readable(41_240_000_000.0), "41.2 Gbit/s");
        assert_eq!(readable(12.0), "12.0 bit/s");
    }

    #[test]
    fn the_table_puts_each_figure_beside_the_limit() {
        let figures = Figures {
            congestion: "cubic".to_owned(),
            udp: [(5e8, 128_000.0), (5e8, 126_720.0)],
            tcp: [(4e10, 122_368.0), (4e10, 121_000.0)],
        };
        let text = table("128kbit", 128_000.0, &figures);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "from the container UDP   500.0 Mbit/s    128.0 kbit/s   100.0 %");
        assert_eq!(lines[2], "                   TCP    40.0 Gbit/s    122.4 kbit/s    95.6 %");
    }
}
