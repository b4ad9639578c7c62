//! The connection to rtnetlink: a question, and the kernel's answers. What is asked stands below:
//! of devices, addresses, routes, neighbours, and of clsact with its filters.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "messages carry what newer kernels add; what was not asked for is passed over"
)]

mod addresses;
mod clsact;
mod devices;
mod links;
mod neighbours;
mod routes;

use futures_util::StreamExt;
use rtnetlink::packet_core::{NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;

pub use addresses::Address;
pub use clsact::Filter;
pub use devices::{Device, Lookup, Peer};
pub use links::NewVeth;
pub use neighbours::{Neighbour, Station};
pub use routes::{Action, Listed, Route, Rule};

use crate::error::{Attempt, Error, Result};

/// A connection to the kernel's routing netlink, in the namespace it was opened in.
#[derive(Debug)]
pub struct Netlink {
    handle: rtnetlink::Handle,
}

impl Netlink {
    /// Opens a connection; needs a tokio runtime.
    pub fn open() -> Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection().attempt(|| "open netlink".to_owned())?;
        tokio::spawn(connection);
        Ok(Self { handle })
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

fn is_errno(error: &rtnetlink::Error, errno: i32) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(message) if message.raw_code().abs() == errno)
}
