//! Work inside a sandbox's namespace: on a thread of its own, with a connection of its own.

use std::future::Future;

use crate::error::{Attempt, Error, Result};
use crate::instance;
use crate::netlink::Netlink;
use crate::netns::NetNs;
use crate::sandbox::Sandbox;
use crate::sys;

/// Opens the namespace that a sandbox has; refuses another one that is found in its place.
pub fn open(sandbox: &Sandbox) -> Result<NetNs> {
    let Some(path) = sandbox.path() else {
        return Err(Error::NoHostSide {
            container: sandbox.name.to_string(),
            problem: "has the namespace of another sandbox".to_owned(),
        });
    };
    let gone = || Error::NoHostSide {
        container: sandbox.name.to_string(),
        problem: format!(
            "its network namespace ({}) is gone; run: dpctl sandbox rm {}",
            path.display(),
            sandbox.name
        ),
    };
    let netns = match NetNs::open_path(&path, sandbox.name.as_str()) {
        Err(Error::NoHostSide { .. }) => return Err(gone()),
        other => other?,
    };
    // Another boot counts its namespaces anew.
    if sandbox.boot_id != instance::boot_id()? {
        return Err(gone());
    }
    // The path may lead to another namespace by now: a process's number is given again.
    if cookie_of(&netns)? == sandbox.cookie { Ok(netns) } else { Err(gone()) }
}

/// The number of a namespace, unique since boot.
pub fn cookie_of(netns: &NetNs) -> Result<u64> {
    netns.run(|| sys::netns_cookie().attempt(|| format!("read the namespace cookie of {}", netns.name())))
}

/// Runs `work` inside.
pub fn run<T: Send, F: Future<Output = Result<T>>>(
    netns: &NetNs,
    work: impl FnOnce(Netlink) -> F + Send,
) -> Result<T> {
    netns.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.attempt(|| "start a runtime".to_owned())?;
        runtime.block_on(async { work(Netlink::open()?).await })
    })
}
