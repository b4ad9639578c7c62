//! Devices of ours: made, changed, removed.

use std::os::fd::{AsRawFd, BorrowedFd};

use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{
    BridgeStpState, InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth,
    LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};

use dataplane_common::address::Mac;

use super::{Netlink, is_errno};
use crate::error::{Error, Result};

/// A veth pair that is to be made: one end here, the other born in another namespace.
#[derive(Debug)]
pub struct NewVeth<'v> {
    /// The name of the end that stays here, and its MAC.
    pub here: (&'v str, Mac),
    /// The name of the other end, and its MAC.
    pub there: (&'v str, Mac),
    /// Of both ends, in bytes.
    pub mtu: u32,
    /// Where the other end is born.
    pub netns: BorrowedFd<'v>,
    /// The bridge whose port the end here becomes.
    pub bridge: Option<u32>,
}

impl Netlink {
    /// Makes a veth pair; both ends are down.
    pub async fn add_veth(&self, veth: &NewVeth<'_>) -> Result<()> {
        let mut peer = end(veth.there, veth.mtu);
        peer.attributes.push(LinkAttribute::NetNsFd(veth.netns.as_raw_fd()));
        let mut message = end(veth.here, veth.mtu);
        message.attributes.extend(veth.bridge.map(LinkAttribute::Controller));
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        self.new_link(message, || format!("make {} with its peer {}", veth.here.0, veth.there.0)).await
    }

    /// Makes a bridge that learns nothing and speaks with nobody.
    pub async fn add_bridge(&self, name: &str, mac: Mac, mtu: u32) -> Result<()> {
        let mut message = end((name, mac), mtu);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Bridge),
            LinkInfo::Data(InfoData::Bridge(vec![
                InfoBridge::StpState(BridgeStpState::Disabled),
                InfoBridge::MulticastSnooping(false),
            ])),
        ]));
        self.new_link(message, || format!("make bridge {name}")).await
    }

    async fn new_link(&self, message: LinkMessage, call: impl Fn() -> String) -> Result<()> {
        let message = RouteNetlinkMessage::NewLink(message);
        self.ask(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, call).await.map(drop)
    }

    /// Brings a device up.
    pub async fn set_up(&self, name: &str, ifindex: u32) -> Result<()> {
        let mut message = numbered(ifindex);
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.set_link(message, || format!("bring {name} up")).await
    }

    /// Sets the MAC and the MTU of a device.
    pub async fn set_mac_and_mtu(&self, name: &str, ifindex: u32, mac: Mac, mtu: u32) -> Result<()> {
        let mut message = numbered(ifindex);
        message.attributes.extend([LinkAttribute::Address(mac.0.to_vec()), LinkAttribute::Mtu(mtu)]);
        self.set_link(message, || format!("set MAC and MTU of {name}")).await
    }

    /// Makes a device a port of a bridge.
    pub async fn set_bridge(&self, name: &str, ifindex: u32, bridge: u32) -> Result<()> {
        let mut message = numbered(ifindex);
        message.attributes.push(LinkAttribute::Controller(bridge));
        self.set_link(message, || format!("make {name} a port of its bridge")).await
    }

    /// Closes a port of a bridge: the kernel carries nothing between it and others that are closed,
    /// learns nothing there, and floods nothing out of it.
    pub async fn close_port(&self, name: &str, ifindex: u32) -> Result<()> {
        let mut message = numbered(ifindex);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(closed().to_vec())),
        ]));
        let call = || format!("close port {name}");
        self.ask(RouteNetlinkMessage::NewLink(message), NLM_F_ACK, call).await.map(drop)
    }

    /// Puts a device in a group, for [`remove_group`](Self::remove_group).
    pub async fn set_group(&self, name: &str, ifindex: u32, group: u32) -> Result<()> {
        let mut message = numbered(ifindex);
        message.attributes.push(LinkAttribute::Group(group));
        self.set_link(message, || format!("put {name} in a group")).await
    }

    async fn set_link(&self, message: LinkMessage, call: impl Fn() -> String) -> Result<()> {
        self.ask(RouteNetlinkMessage::SetLink(message), NLM_F_ACK, call).await.map(drop)
    }

    /// Removes a device. None there is fine.
    pub async fn remove_link(&self, name: &str, ifindex: u32) -> Result<()> {
        let message = RouteNetlinkMessage::DelLink(numbered(ifindex));
        none_is_fine(self.ask(message, NLM_F_ACK, || format!("remove {name}")).await, &[libc::ENODEV])
    }

    /// Removes all devices of a group at once: the kernel waits for its readers once, not once a
    /// device.
    pub async fn remove_group(&self, group: u32) -> Result<()> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::Group(group));
        let message = RouteNetlinkMessage::DelLink(message);
        none_is_fine(
            self.ask(message, NLM_F_ACK, || "remove a group of devices".to_owned()).await,
            &[libc::ENODEV],
        )
    }
}

/// What a closed port is set to.
pub(super) fn closed() -> [InfoBridgePort; 5] {
    [
        InfoBridgePort::Isolated(true),
        InfoBridgePort::Learning(false),
        InfoBridgePort::UnicastFlood(false),
        InfoBridgePort::MulticastFlood(false),
        InfoBridgePort::BroadcastFlood(false),
    ]
}

fn end((name, mac): (&str, Mac), mtu: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.extend([
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Address(mac.0.to_vec()),
        LinkAttribute::Mtu(mtu),
    ]);
    message
}

fn numbered(ifindex: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = ifindex;
    message
}

/// Takes the kernel's "there is none" as done.
pub(super) fn none_is_fine<T>(answer: Result<T>, errnos: &[i32]) -> Result<()> {
    match answer {
        Err(Error::Netlink { source, .. }) if errnos.iter().any(|errno| is_errno(&source, *errno)) => Ok(()),
        other => other.map(drop),
    }
}
