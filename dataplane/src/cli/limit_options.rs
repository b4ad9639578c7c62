//! The options that say a limit, shared by `attach` and `limit set`.

use clap::Args;

use dataplane_common::direction::Direction;
use dataplane_common::limit::Shape;
use dataplane_common::rate::Rate;
use dataplane_common::size::Bytes;
use dataplane_common::time::Nanos;

use super::note;
use crate::attachment::LimitRequest;

/// How they are written, for the end of a help page.
pub const NOTATION: &str = "\
Rates, sizes and times are written as for tc: 128kbit, 1.5mbit, 10mibit,
16kbps (kilobytes); 4k, 32kb, 1500; 50ms, 1s.";

/// A limit as it is asked for.
#[derive(Clone, Debug, Args)]
pub struct LimitOptions {
    /// Rate of both directions, each with a bucket of its own
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    rate: Option<Rate>,
    /// What may pass at once [default: 5 ms at the rate, at least two frames]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    burst: Option<Bytes>,
    /// How far past the burst traffic may run ahead; in the second half of it, packets are
    /// dropped at random [default: 400ms]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    latency: Option<Nanos>,
    /// Rate of what leaves the container; wins over --rate
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    from_container: Option<Rate>,
    /// Rate of what enters the container; wins over --rate
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    to_container: Option<Rate>,
}

impl LimitOptions {
    /// What was asked for.
    pub fn request(&self) -> LimitRequest {
        let mut direction = [None; 2];
        direction[Direction::FromContainer.index()] = self.from_container;
        direction[Direction::ToContainer.index()] = self.to_container;
        LimitRequest { rate: self.rate, direction, burst: self.burst, latency: self.latency }
    }

    /// Says what is accepted, but may not be meant.
    pub fn note_surprises(&self) {
        if let Some(burst) = self.burst
            && burst < Shape::FRAME
        {
            note(&format!(
                "burst {burst} is below one full frame ({}); frames pass all the same",
                Shape::FRAME
            ));
        }
    }
}
