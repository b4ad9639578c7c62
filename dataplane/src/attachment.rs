//! An attachment: our programs on one interface, with a limit or none in each direction.

use dataplane_common::address::Mac;
use dataplane_common::direction::Direction;
use dataplane_common::layout;
use dataplane_common::limit::{Limit, QueueTooLong, Shape};
use dataplane_common::rate::Rate;
use dataplane_common::size::Bytes;
use dataplane_common::time::Nanos;

use crate::sys::Order;

/// Our programs on one interface. Known by boot, ifindex and MAC, never by ifindex alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Index into the maps.
    pub slot: u32,
    /// The boot that the interface lives in.
    pub boot_id: String,
    /// Its name when it was attached.
    pub interface: String,
    /// Its number.
    pub ifindex: u32,
    /// Its hardware address.
    pub mac: Mac,
    /// How the programs hang on it.
    pub hook: Hook,
    /// Where among others' programs.
    pub order: Order,
    /// Whether we added the clsact qdisc.
    pub made_clsact: bool,
    /// How far the last command got.
    pub state: State,
    /// What it may send and receive.
    pub limits: Limits,
    /// Which programs run there.
    pub role: Role,
}

/// What an interface is attached as, and so which programs run there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Anybody's: limited and counted.
    #[default]
    Plain,
    /// An endpoint's of a network of ours: guarded and connected as well.
    Endpoint,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Endpoint];

    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Endpoint => "endpoint",
        }
    }

    /// The reverse of [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The program of one direction, by its name.
    pub const fn program(self, direction: Direction) -> &'static str {
        match (self, direction) {
            (Self::Plain, direction) => direction.name(),
            (Self::Endpoint, Direction::FromContainer) => "from_endpoint",
            (Self::Endpoint, Direction::ToContainer) => "to_endpoint",
        }
    }
}

/// How programs hang on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// A link of its own for each direction; Linux 6.6.
    Tcx,
    /// Filters of the clsact qdisc.
    Clsact,
}

impl Hook {
    /// As printed and stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }

    /// The reverse of [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Tcx, Self::Clsact].into_iter().find(|hook| hook.name() == name)
    }
}

/// How far the last command on an attachment got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Being attached: undone if its command was killed.
    Creating,
    /// Attached, with the limits of the row.
    Ready,
    /// The limits of the row are being written to the maps: finished if the command was killed.
    Changing,
    /// Being detached: finished if the command was killed.
    Removing,
}

impl State {
    const ALL: [Self; 4] = [Self::Creating, Self::Ready, Self::Changing, Self::Removing];

    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Ready => "ready",
            Self::Changing => "changing",
            Self::Removing => "removing",
        }
    }

    /// The reverse of [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// The limits of an attachment, by [`Direction::index`]; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits(pub [Option<Shape>; 2]);

impl Limits {
    /// The limit of one direction.
    pub fn of(&self, direction: Direction) -> Option<Shape> {
        self.0[direction.index()]
    }

    /// What the programs read.
    pub fn to_map(self) -> Result<layout::Limits, QueueTooLong> {
        let [from, to] = self.0.map(|shape| shape.map_or(Ok(Limit::NONE), Limit::new));
        Ok(layout::Limits([from?, to?]))
    }

    /// The options of `dpctl attach` that set them. A burst or latency that is not that of every
    /// limited direction has none.
    pub fn as_options(&self) -> String {
        let [from, to] = self.0;
        let mut options = Vec::new();
        match (from, to) {
            (Some(from), Some(to)) if from.rate == to.rate => options.push(format!("--rate {}", from.rate)),
            _ => {
                options.extend(from.map(|shape| format!("--from-container {}", shape.rate)));
                options.extend(to.map(|shape| format!("--to-container {}", shape.rate)));
            }
        }
        if let Some((shape, other)) = from.or(to).zip(to.or(from)) {
            let is_default = |shape: Shape| shape.burst == Shape::default_burst(shape.rate);
            if shape.burst == other.burst && !(is_default(shape) && is_default(other)) {
                options.push(format!("--burst {}", shape.burst));
            }
            if shape.latency == other.latency && shape.latency != Shape::DEFAULT_LATENCY {
                options.push(format!("--latency {}", shape.latency));
            }
        }
        options.join(" ")
    }
}

/// Limits as asked for on the command line: nothing that was not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitRequest {
    /// Both directions.
    pub rate: Option<Rate>,
    /// By [`Direction::index`]; wins over `rate`.
    pub direction: [Option<Rate>; 2],
    /// Of every direction that is limited.
    pub burst: Option<Bytes>,
    /// Of every direction that is limited.
    pub latency: Option<Nanos>,
}

impl LimitRequest {
    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The limits that stand for themselves: what was not asked for is not limited.
    pub fn limits(&self) -> Limits {
        self.over(Limits::default())
    }

    /// The limits where these replace parts of `present`.
    pub fn over(&self, present: Limits) -> Limits {
        Limits(Direction::ALL.map(|direction| {
            let present = present.of(direction);
            let asked = self.direction[direction.index()].or(self.rate);
            let rate = asked.or(present.map(|shape| shape.rate))?;
            // A burst by default follows the rate; one that was chosen stays.
            let kept = present.filter(|shape| shape.burst != Shape::default_burst(shape.rate));
            let burst = self.burst.or(kept.map(|shape| shape.burst));
            let latency = self.latency.or(present.map(|shape| shape.latency));
            Some(Shape {
                rate,
                burst: burst.unwrap_or_else(|| Shape::default_burst(rate)),
                latency: latency.unwrap_or(Shape::DEFAULT_LATENCY),
            })
        }))
    }
}
