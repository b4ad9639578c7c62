//! The clsact qdisc and its BPF filters: listed, set, removed.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, BorrowedFd};

use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcMessage, TcOption,
};

use dataplane_common::direction::Direction;

use super::{Netlink, is_errno};
use crate::error::{Error, Result};

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
}

/// The kernel's answer to a qdisc or filter of a kind that it does not have.
fn or_lacking(feature: &'static str, since: &'static str, error: Error) -> Error {
    match &error {
        Error::Netlink { source, .. } if is_errno(source, libc::ENOENT) => Error::lacking(feature, since),
        _ => error,
    }
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
