//! The rtnetlink verbs that are used here: list links, and clsact with its filters.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "messages carry what newer kernels add; what was not asked for is passed over"
)]

use std::collections::HashMap;
use std::os::fd::{AsRawFd, BorrowedFd};

use futures_util::StreamExt;
use rtnetlink::packet_core::DefaultNla;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkExtentMask, LinkInfo, LinkMessage, Prop};
use rtnetlink::packet_route::nsid::{NsidAttribute, NsidMessage};
use rtnetlink::packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcMessage, TcOption,
};

use dataplane_common::direction::Direction;

use crate::error::{Attempt, Error, Result};
use crate::mac::Mac;

/// A connection to the kernel's routing netlink, in the namespace it was opened in.
#[derive(Debug)]
pub struct Netlink {
    handle: rtnetlink::Handle,
}

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

/// A BPF filter on clsact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Lower runs first.
    pub priority: u16,
    /// Its number at that priority.
    pub handle: u32,
    /// The program it runs; 0 for filters of other kinds.
    pub program_id: u32,
}

impl Netlink {
    /// Opens a connection; needs a tokio runtime.
    pub fn open() -> Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection().attempt(|| "open netlink".to_owned())?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

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

    /// The devices that have a qdisc where clsact stands, and its kind: clsact, or ingress, which
    /// runs filters on one side only.
    pub async fn ingress_qdiscs(&self) -> Result<HashMap<u32, String>> {
        let message = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default());
        let answers = self.ask(message, NLM_F_DUMP, || "list qdiscs".to_owned()).await?;
        let at_ingress = answers.into_iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewQueueDiscipline(qdisc) if qdisc.header.parent == TcHandle::CLSACT => {
                let kind = qdisc.attributes.into_iter().find_map(|attribute| match attribute {
                    TcAttribute::Kind(kind) => Some(kind),
                    _ => None,
                });
                Some((u32::try_from(qdisc.header.index).ok()?, kind?))
            }
            _ => None,
        });
        Ok(at_ingress.collect())
    }

    /// Adds a clsact qdisc; `false` if there is one already.
    pub async fn add_clsact(&self, device: &str, ifindex: u32) -> Result<bool> {
        let message = RouteNetlinkMessage::NewQueueDiscipline(clsact(ifindex));
        let call = || format!("add clsact to {device}");
        match self.ask(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, call).await {
            Ok(_) => Ok(true),
            Err(Error::Netlink { source, .. }) if is_errno(&source, libc::EEXIST) => {
                self.refuse_ingress(device, ifindex).await.map(|()| false)
            }
            Err(error) => Err(or_lacking("clsact (sch_ingress)", "4.5", error)),
        }
    }

    /// Whose place is taken has clsact already, or an ingress qdisc, which the kernel refuses to
    /// show under another's name.
    async fn refuse_ingress(&self, device: &str, ifindex: u32) -> Result<()> {
        let message = RouteNetlinkMessage::GetQueueDiscipline(clsact(ifindex));
        match self.ask(message, NLM_F_ACK, || format!("look up the clsact of {device}")).await {
            Err(Error::Netlink { source, .. }) if is_errno(&source, libc::EINVAL) => {
                Err(Error::IngressQdisc { name: device.to_owned() })
            }
            other => other.map(drop),
        }
    }

    /// Removes the clsact qdisc, and all filters with it.
    pub async fn remove_clsact(&self, device: &str, ifindex: u32) -> Result<()> {
        let message = RouteNetlinkMessage::DelQueueDiscipline(clsact(ifindex));
        gone_is_fine(self.ask(message, NLM_F_ACK, || format!("remove clsact from {device}")).await)
    }

    /// The BPF filters of one direction.
    pub async fn filters(&self, ifindex: u32, direction: Direction) -> Result<Vec<Filter>> {
        let message = RouteNetlinkMessage::GetTrafficFilter(filter_message(ifindex, direction, 0, 0));
        let answers = self.ask(message, NLM_F_DUMP, || format!("list filters of interface {ifindex}")).await;
        let answers = match answers {
            // No clsact, no filters.
            Err(Error::Netlink { source, .. }) if is_errno(&source, libc::EINVAL) => Vec::new(),
            other => other?,
        };
        Ok(answers.into_iter().filter_map(filter).collect())
    }

    /// Sets a filter under its priority and handle: a new one, or in place of the one there.
    pub async fn put_filter(
        &self,
        device: &str,
        ifindex: u32,
        direction: Direction,
        (priority, handle): (u16, u32),
        program: BorrowedFd<'_>,
        replace: bool,
    ) -> Result<()> {
        let mut message = filter_message(ifindex, direction, priority, handle);
        message.attributes.push(TcAttribute::Kind(TcFilterBpf::KIND.to_owned()));
        message.attributes.push(TcAttribute::Options(vec![
            TcOption::Bpf(TcFilterBpfOption::ProgFd(u32::try_from(program.as_raw_fd()).unwrap_or(u32::MAX))),
            TcOption::Bpf(TcFilterBpfOption::ProgName(direction.name().to_owned())),
            TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
        ]));
        let flags = if replace { NLM_F_REPLACE } else { NLM_F_EXCL };
        let call = || format!("attach {} to {device} (clsact)", direction.name());
        let message = RouteNetlinkMessage::NewTrafficFilter(message);
        let answer = self.ask(message, NLM_F_ACK | NLM_F_CREATE | flags, call).await;
        answer.map(drop).map_err(|error| or_lacking("BPF filters (cls_bpf)", "4.1", error))
    }

    /// Removes a filter.
    pub async fn remove_filter(
        &self,
        ifindex: u32,
        direction: Direction,
        priority: u16,
        handle: u32,
    ) -> Result<()> {
        let mut message = filter_message(ifindex, direction, priority, handle);
        message.attributes.push(TcAttribute::Kind(TcFilterBpf::KIND.to_owned()));
        let call = || format!("detach {} from interface {ifindex} (clsact)", direction.name());
        gone_is_fine(self.ask(RouteNetlinkMessage::DelTrafficFilter(message), NLM_F_ACK, call).await)
    }

    async fn ask(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
        call: impl Fn() -> String,
    ) -> Result<Vec<RouteNetlinkMessage>> {
        for _ in 1..LISTINGS {
            let (answers, whole) = self.ask_once(message.clone(), flags, &call).await?;
            if whole {
                return Ok(answers);
            }
        }
        self.ask_once(message, flags, &call).await.map(|(answers, _whole)| answers)
    }

    /// With it, whether the list is whole: one that changed while the kernel wrote it may lack
    /// something.
    async fn ask_once(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
        call: &impl Fn() -> String,
    ) -> Result<(Vec<RouteNetlinkMessage>, bool)> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        let mut answers = self.handle.clone().request(request).attempt(call)?;
        let (mut messages, mut whole) = (Vec::new(), true);
        while let Some(answer) = answers.next().await {
            whole &= answer.header.flags & NLM_F_DUMP_INTR == 0;
            match answer.payload {
                NetlinkPayload::InnerMessage(message) => messages.push(message),
                NetlinkPayload::Error(error) if error.code.is_some() => {
                    return Err(Error::Netlink {
                        call: call(),
                        source: rtnetlink::Error::NetlinkError(error),
                    });
                }
                _ => {}
            }
        }
        Ok((messages, whole))
    }
}

/// As often a list is asked for that changes while it is written. Then it is taken as it is: what
/// it lacks is looked up by itself before it counts as gone.
const LISTINGS: usize = 8;

/// The kernel's answer to a qdisc or filter of a kind that it does not have.
fn or_lacking(feature: &'static str, since: &'static str, error: Error) -> Error {
    match &error {
        Error::Netlink { source, .. } if is_errno(source, libc::ENOENT) => Error::lacking(feature, since),
        _ => error,
    }
}

fn is_errno(error: &rtnetlink::Error, errno: i32) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(message) if message.raw_code().abs() == errno)
}

fn gone_is_fine(answer: Result<Vec<RouteNetlinkMessage>>) -> Result<()> {
    match answer {
        Err(Error::Netlink { source, .. })
            if [libc::ENOENT, libc::ENODEV, libc::EINVAL].iter().any(|errno| is_errno(&source, *errno)) =>
        {
            Ok(())
        }
        other => other.map(drop),
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
    };
    let (mut peer, mut nsid) = (None, None);
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name = name,
            LinkAttribute::PropList(properties) => {
                device.altnames = properties.into_iter().filter_map(altname).collect();
            }
            LinkAttribute::Address(bytes) => device.mac = Mac::from_slice(&bytes),
            LinkAttribute::Link(ifindex) => peer = Some(ifindex),
            LinkAttribute::LinkNetNsId(id) => nsid = Some(id),
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Kind(kind) = info {
                        device.kind = kind_name(&kind);
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

/// `ETH_P_ALL` in network byte order, as `tcm_info` wants it.
const ALL_PROTOCOLS: u32 = 0x0300;

fn index(ifindex: u32) -> i32 {
    i32::try_from(ifindex).unwrap_or(0)
}

fn clsact(ifindex: u32) -> TcMessage {
    let mut message = TcMessage::with_index(index(ifindex));
    message.header.parent = TcHandle::CLSACT;
    message.header.handle = TcHandle { major: 0xffff, minor: 0 };
    message.attributes.push(TcAttribute::Kind("clsact".to_owned()));
    message
}

fn filter_message(ifindex: u32, direction: Direction, priority: u16, handle: u32) -> TcMessage {
    let mut message = TcMessage::with_index(index(ifindex));
    let minor = match direction {
        Direction::FromContainer => TcHandle::MIN_INGRESS,
        Direction::ToContainer => TcHandle::MIN_EGRESS,
    };
    message.header.parent = TcHandle { major: 0xffff, minor };
    message.header.handle = TcHandle::from(handle);
    message.header.info = u32::from(priority) << 16 | if priority == 0 { 0 } else { ALL_PROTOCOLS };
    message
}

fn filter(message: RouteNetlinkMessage) -> Option<Filter> {
    let RouteNetlinkMessage::NewTrafficFilter(message) = message else { return None };
    let handle = u32::from(message.header.handle.major) << 16 | u32::from(message.header.handle.minor);
    let program_id = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => options.iter().find_map(|option| match option {
            TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => Some(*id),
            _ => None,
        }),
        _ => None,
    });
    // A filter's chain head is listed with handle 0 and no program.
    (handle != 0).then_some(Filter {
        priority: u16::try_from(message.header.info >> 16).unwrap_or(0),
        handle,
        program_id: program_id.unwrap_or(0),
    })
}
