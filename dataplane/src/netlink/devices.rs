//! Devices, the peers of veths, and the numbers of namespaces: only looked up here.

use std::os::fd::{AsRawFd, BorrowedFd};

use rtnetlink::packet_core::{DefaultNla, NLM_F_ACK, NLM_F_DUMP};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{
    InfoKind, InfoPortData, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage, Prop,
};
use rtnetlink::packet_route::nsid::{NsidAttribute, NsidMessage};

use dataplane_common::address::Mac;

use super::links::closed;
use super::{Netlink, is_errno};
use crate::error::{Error, Result};

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its number in its namespace.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// Its alternative names, by which the kernel knows it as well.
    pub altnames: Vec<String>,
    /// Its hardware address.
    pub mac: Mac,
    /// `veth`, `bridge`...; `physical` where the kernel names none.
    pub kind: String,
    /// The other end of a veth.
    pub peer: Option<Peer>,
    /// Whether somebody has brought it up.
    pub is_up: bool,
    /// Its MTU, in bytes.
    pub mtu: u32,
    /// The bridge that it is a port of, or whatever else commands it.
    pub controller: Option<u32>,
    /// Whether it is a port that its bridge keeps apart from others.
    pub is_closed_port: bool,
}

/// The other end of a veth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its number in its namespace.
    pub ifindex: u32,
    /// That namespace, as numbered in this one; `None` if it is this one.
    pub nsid: Option<i32>,
}

/// What became of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// There it is.
    Found(Device),
    /// The kernel has none.
    None,
    /// The kernel has one, and described it in a way that cannot be read.
    Unreadable,
}

impl Device {
    /// Whether it is one end of a veth pair.
    pub fn is_veth(&self) -> bool {
        self.kind == "veth"
    }

    /// All of its names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [&self.name].into_iter().chain(&self.altnames).map(String::as_str)
    }

    /// Whether its peer is in the same namespace.
    pub fn peer_is_here(&self) -> bool {
        self.peer.is_some_and(|peer| peer.nsid.is_none())
    }
}

impl Netlink {
    /// All devices of the namespace.
    pub async fn devices(&self) -> Result<Vec<Device>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let message = RouteNetlinkMessage::GetLink(message);
        let links = self.ask(message, NLM_F_DUMP, || "list interfaces".to_owned()).await?;
        Ok(links.into_iter().filter_map(device).collect())
    }

    /// One device; `None` if there is none of that name.
    pub async fn device(&self, name: &str) -> Result<Option<Device>> {
        let mut message = LinkMessage::default();
        message.attributes.push(named(name));
        match self.look_up(message, || format!("look up interface {name}")).await? {
            Lookup::Found(device) => Ok(Some(device)),
            Lookup::None => Ok(None),
            Lookup::Unreadable => Err(Error::UnreadableDevice { name: name.to_owned() }),
        }
    }

    /// One device, by its number.
    pub async fn device_numbered(&self, ifindex: u32) -> Result<Lookup> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        self.look_up(message, || format!("look up interface {ifindex}")).await
    }

    // With an acknowledgement, since an answer that cannot be decoded is passed over in silence.
    async fn look_up(&self, message: LinkMessage, call: impl Fn() -> String) -> Result<Lookup> {
        match self.ask(RouteNetlinkMessage::GetLink(message), NLM_F_ACK, call).await {
            Ok(links) => Ok(links.into_iter().find_map(device).map_or(Lookup::Unreadable, Lookup::Found)),
            Err(Error::Netlink { source, .. }) if is_errno(&source, libc::ENODEV) => Ok(Lookup::None),
            Err(error) => Err(error),
        }
    }

    /// How another namespace is numbered in this one; `None` if it has no number here.
    pub async fn nsid(&self, netns: BorrowedFd<'_>) -> Result<Option<i32>> {
        let mut message = NsidMessage::default();
        let fd = u32::try_from(netns.as_raw_fd()).unwrap_or(u32::MAX);
        message.attributes.push(NsidAttribute::Fd(fd));
        let answers =
            self.ask(RouteNetlinkMessage::GetNsId(message), 0, || "number of a namespace".to_owned()).await?;
        Ok(answers.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewNsId(answer) => answer.attributes.into_iter().find_map(|a| match a {
                NsidAttribute::Id(id) if id >= 0 => Some(id),
                _ => None,
            }),
            _ => None,
        }))
    }
}

fn device(message: RouteNetlinkMessage) -> Option<Device> {
    let RouteNetlinkMessage::NewLink(link) = message else { return None };
    let mut device = Device {
        ifindex: link.header.index,
        name: String::new(),
        altnames: Vec::new(),
        mac: Mac::default(),
        kind: "physical".to_owned(),
        peer: None,
        is_up: link.header.flags.contains(LinkFlags::Up),
        mtu: 0,
        controller: None,
        is_closed_port: false,
    };
    let (mut peer, mut nsid) = (None, None);
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name = name,
            LinkAttribute::PropList(properties) => {
                device.altnames = properties.into_iter().filter_map(altname).collect();
            }
            LinkAttribute::Address(bytes) => device.mac = Mac::from_slice(&bytes),
            LinkAttribute::Mtu(mtu) => device.mtu = mtu,
            LinkAttribute::Controller(ifindex) => device.controller = Some(ifindex),
            LinkAttribute::Link(ifindex) => peer = Some(ifindex),
            LinkAttribute::LinkNetNsId(id) => nsid = Some(id),
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    match info {
                        LinkInfo::Kind(kind) => device.kind = kind_name(&kind),
                        LinkInfo::PortData(InfoPortData::BridgePort(flags)) => {
                            device.is_closed_port = closed().iter().all(|flag| flags.contains(flag));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if device.kind == "physical" && device.name == "lo" {
        "loopback".clone_into(&mut device.kind);
    }
    device.peer = peer.map(|ifindex| Peer { ifindex, nsid });
    Some(device)
}

fn altname(property: Prop) -> Option<String> {
    match property {
        Prop::AltIfName(name) => Some(name),
        _ => None,
    }
}

/// Asks for a device by name. One that is too long for `IFLA_IFNAME` can be an alternative name
/// only, and those have an attribute of their own, which the library cannot write by itself.
fn named(name: &str) -> LinkAttribute {
    const IFNAMSIZ: usize = 16;
    const IFLA_ALT_IFNAME: u16 = 53;
    if name.len() < IFNAMSIZ {
        return LinkAttribute::IfName(name.to_owned());
    }
    let bytes = [name.as_bytes(), b"\0"].concat();
    LinkAttribute::Other(DefaultNla::new(IFLA_ALT_IFNAME, bytes))
}

fn kind_name(kind: &InfoKind) -> String {
    kind.to_string()
}
