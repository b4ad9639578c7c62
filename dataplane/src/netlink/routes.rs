//! Routes and policy rules.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Netlink;
use super::links::none_is_fine;
use crate::error::Result;

/// Who made a route or rule, as the kernel keeps it: "d". Free in iproute2's `rt_protos`.
const OURS: RouteProtocol = RouteProtocol::Other(100);

/// A route of the main table, or one that leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Where to.
    pub destination: IpNetwork,
    /// Out of which device; `None`: nowhere ("unreachable").
    pub ifindex: Option<u32>,
    /// By which router, which is on the device's link whatever its addresses say.
    pub gateway: Option<IpAddr>,
    /// With which address of the host's own.
    pub source: Option<IpAddr>,
    /// The lowest wins; `None`: the family's own.
    pub metric: Option<u32>,
}

/// A route as the kernel lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The route.
    pub route: Route,
    /// Which table it is in.
    pub table: u32,
    /// Whether the kernel made it: for an address, as local and broadcast routes are.
    pub is_kernels: bool,
    /// Whether we made it.
    pub is_ours: bool,
}

/// What a policy rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Goes on with the rule of this number.
    Goto(u32),
    /// Refuses, and says so to the sender.
    Prohibit,
    /// Nothing: somewhere to go to.
    Nop,
}

/// A policy rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Its number; rules are asked in their order.
    pub priority: u32,
    /// For packets from here; all of the family with prefix length 0.
    pub source: IpNetwork,
    /// Only for packets of the host itself.
    pub of_host: bool,
    /// What it does.
    pub action: Action,
}

impl Netlink {
    /// All routes of the namespace, of both families and all tables.
    pub async fn routes(&self) -> Result<Vec<Listed>> {
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            let message = RouteNetlinkMessage::GetRoute(message);
            let answers = self.ask(message, NLM_F_DUMP, || "list routes".to_owned()).await?;
            routes.extend(answers.into_iter().filter_map(listed));
        }
        Ok(routes)
    }

    /// Adds a route.
    pub async fn add_route(&self, route: &Route) -> Result<()> {
        let message = RouteNetlinkMessage::NewRoute(route_message(route));
        let call = || format!("add the route to {}", route.destination);
        self.ask(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, call).await.map(drop)
    }

    /// Adds a route, or puts it in the place of the one that leads there with the same metric.
    pub async fn put_route(&self, route: &Route) -> Result<()> {
        let message = RouteNetlinkMessage::NewRoute(route_message(route));
        let call = || format!("set the route to {}", route.destination);
        self.ask(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, call).await.map(drop)
    }

    /// Removes a route. None there is fine.
    pub async fn remove_route(&self, route: &Route) -> Result<()> {
        let message = RouteNetlinkMessage::DelRoute(route_message(route));
        let call = || format!("remove the route to {}", route.destination);
        none_is_fine(self.ask(message, NLM_F_ACK, call).await, &[libc::ESRCH, libc::ENODEV])
    }

    /// All rules of ours, of both families.
    pub async fn rules(&self) -> Result<Vec<Rule>> {
        let mut rules = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RuleMessage::default();
            message.header.family = family;
            let message = RouteNetlinkMessage::GetRule(message);
            let answers = self.ask(message, NLM_F_DUMP, || "list rules".to_owned()).await?;
            rules.extend(answers.into_iter().filter_map(rule));
        }
        Ok(rules)
    }

    /// Adds a rule.
    pub async fn add_rule(&self, rule: &Rule) -> Result<()> {
        let message = RouteNetlinkMessage::NewRule(rule_message(rule));
        let call = || format!("add rule {}", rule.priority);
        self.ask(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, call).await.map(drop)
    }

    /// Removes a rule. None there is fine.
    pub async fn remove_rule(&self, rule: &Rule) -> Result<()> {
        let message = RouteNetlinkMessage::DelRule(rule_message(rule));
        let call = || format!("remove rule {}", rule.priority);
        none_is_fine(self.ask(message, NLM_F_ACK, call).await, &[libc::ENOENT])
    }
}

fn family(cidr: IpNetwork) -> AddressFamily {
    if cidr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn route_message(route: &Route) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family(route.destination);
    header.destination_prefix_length = route.destination.prefix();
    header.table = RouteHeader::RT_TABLE_MAIN;
    header.protocol = OURS;
    header.kind = if route.ifindex.is_some() { RouteType::Unicast } else { RouteType::Unreachable };
    header.scope = match (route.ifindex, route.gateway) {
        (Some(_), None) if route.destination.is_ipv4() => RouteScope::Link,
        _ => RouteScope::Universe,
    };
    if route.gateway.is_some() {
        header.flags = RouteFlags::Onlink;
    }
    let attributes = &mut message.attributes;
    if route.destination.prefix() > 0 {
        attributes.push(RouteAttribute::Destination(route.destination.network().into()));
    }
    attributes.extend(route.ifindex.map(RouteAttribute::Oif));
    attributes.extend(route.gateway.map(|gateway| RouteAttribute::Gateway(gateway.into())));
    attributes.extend(route.source.map(|source| RouteAttribute::PrefSource(source.into())));
    attributes.extend(route.metric.map(RouteAttribute::Priority));
    message
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn listed(answer: RouteNetlinkMessage) -> Option<Listed> {
    let RouteNetlinkMessage::NewRoute(message) = answer else { return None };
    let is_v4 = message.header.address_family == AddressFamily::Inet;
    let nowhere: IpAddr = if is_v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let (mut destination, mut ifindex, mut gateway, mut source, mut metric) =
        (nowhere, None, None, None, None);
    let mut table = u32::from(message.header.table);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = ip(address)?,
            RouteAttribute::Oif(index) => ifindex = Some(*index),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Priority(value) => metric = Some(*value),
            RouteAttribute::Table(number) => table = *number,
            _ => {}
        }
    }
    // IPv6 lists a route that leads nowhere with the loopback as its device.
    if message.header.kind != RouteType::Unicast {
        ifindex = None;
    }
    let destination = IpNetwork::new(destination, message.header.destination_prefix_length).ok()?;
    let is_kernels =
        message.header.protocol == RouteProtocol::Kernel || message.header.kind == RouteType::Local;
    let route = Route { destination, ifindex, gateway, source, metric };
    let is_ours = message.header.protocol == OURS;
    Some(Listed { route, table, is_kernels, is_ours })
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family(rule.source);
    message.header.src_len = rule.source.prefix();
    let attributes = &mut message.attributes;
    if rule.source.prefix() > 0 {
        attributes.push(RuleAttribute::Source(rule.source.network()));
    }
    if rule.of_host {
        attributes.push(RuleAttribute::Iifname("lo".to_owned()));
    }
    attributes.extend([RuleAttribute::Priority(rule.priority), RuleAttribute::Protocol(OURS)]);
    message.header.action = match rule.action {
        Action::Goto(target) => {
            attributes.push(RuleAttribute::Goto(target));
            RuleAction::Goto
        }
        Action::Prohibit => RuleAction::Prohibit,
        Action::Nop => RuleAction::Nop,
    };
    message
}

fn rule(answer: RouteNetlinkMessage) -> Option<Rule> {
    let RouteNetlinkMessage::NewRule(message) = answer else { return None };
    let is_v4 = message.header.family == AddressFamily::Inet;
    let mut source: IpAddr = if is_v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let (mut priority, mut of_host, mut target, mut is_ours) = (0, false, 0, false);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Source(address) => source = *address,
            RuleAttribute::Iifname(name) => of_host = name == "lo",
            RuleAttribute::Priority(number) => priority = *number,
            RuleAttribute::Goto(number) => target = *number,
            RuleAttribute::Protocol(protocol) => is_ours = *protocol == OURS,
            _ => {}
        }
    }
    let action = match message.header.action {
        RuleAction::Goto => Action::Goto(target),
        RuleAction::Prohibit => Action::Prohibit,
        RuleAction::Nop => Action::Nop,
        _ => return None,
    };
    let source = IpNetwork::new(source, message.header.src_len).ok()?;
    is_ours.then_some(Rule { priority, source, of_host, action })
}
