//! TCP sockets of a bed's ends, with the congestion control set and an end to every wait.

use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result};
use rustix::net::sockopt::{Timeout, set_socket_timeout, set_tcp_congestion};
use rustix::net::{AddressFamily, SocketType};
use serde_json::json;

use super::PATIENCE;
use crate::bed::Bed;
/// What most machines have; a default of this one would be nobody's choice.
pub(super) use crate::flows::CONGESTION;
use crate::results::Parameters;

/// What is said of it beside figures.
pub(super) fn parameters() -> Parameters {
    [("congestion".to_owned(), json!(CONGESTION))].into()
}

/// Listens where the bed's server does. Connections inherit the time that it waits.
pub(super) fn listen(bed: &Bed) -> Result<TcpListener> {
    let listener = bed.server.enter(|| TcpListener::bind(bed.listen)).context("listen")?;
    set_tcp_congestion(&listener, CONGESTION).with_context(|| format!("choose {CONGESTION}"))?;
    set_socket_timeout(&listener, Timeout::Recv, Some(PATIENCE))?;
    Ok(listener)
}

/// Connected with the congestion control set beforehand: the first window counts too.
pub(super) fn connect(to: SocketAddr) -> Result<TcpStream> {
    let socket =
        rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).context("make a socket")?;
    set_tcp_congestion(&socket, CONGESTION).with_context(|| format!("choose {CONGESTION}"))?;
    // That of sending holds for connecting too.
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    rustix::net::connect(&socket, &to).with_context(|| format!("connect to {to}"))?;
    Ok(socket.into())
}
