//! Many datagrams or frames in one system call, so that the call is not what is measured.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg};

/// So many at once.
pub(super) const BATCH: usize = 64;

/// Sends them in this order from a connected socket, a batch at the most. Returns how many the
/// kernel took.
pub(super) fn send(socket: impl AsFd, messages: &[impl AsRef<[u8]>]) -> io::Result<usize> {
    let slices: Vec<[IoSlice<'_>; 1]> =
        messages.iter().take(BATCH).map(|message| [IoSlice::new(message.as_ref())]).collect();
    let mut headers = MultiHeaders::<()>::preallocate(slices.len(), None);
    let socket = socket.as_fd().as_raw_fd();
    let sent = sendmmsg(socket, &mut headers, &slices, vec![None; slices.len()], [], MsgFlags::empty())?;
    Ok(sent.count())
}

/// The same, where a queue that is full for the moment is no error: none of them was taken.
pub(super) fn offer(socket: impl AsFd, messages: &[impl AsRef<[u8]>]) -> io::Result<usize> {
    match send(socket, messages) {
        Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => Ok(0),
        sent => sent,
    }
}

/// Whether to wait for the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// As long as the socket's timeout says.
    ForOne,
    /// Not at all.
    No,
}

/// Fills `buffers` with what has come, one message each; returns their lengths. None, where none
/// came in time.
pub(super) fn receive(socket: impl AsFd, buffers: &mut [Vec<u8>], wait: Wait) -> io::Result<Vec<usize>> {
    let mut headers = MultiHeaders::<()>::preallocate(buffers.len(), None);
    let mut slices: Vec<[IoSliceMut<'_>; 1]> =
        buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
    let flags = match wait {
        Wait::ForOne => MsgFlags::MSG_WAITFORONE,
        Wait::No => MsgFlags::MSG_DONTWAIT,
    };
    match recvmmsg(socket.as_fd().as_raw_fd(), &mut headers, &mut slices, flags, None) {
        Ok(received) => Ok(received.map(|message| message.bytes).collect()),
        Err(Errno::EAGAIN) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Room for a batch of messages.
pub(super) fn buffers() -> Vec<Vec<u8>> {
    vec![vec![0; 2048]; BATCH]
}
