//! Which interfaces a command means: names as typed, or the host side of a container's.
//!
//! All of them are looked up and judged before anything is changed. Refuses names that cannot
//! be, names given twice, interfaces that are not there, and devices that are no veth.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::netlink::{Device, Netlink};
use crate::netns::NetNs;
use crate::session::{given_twice, near};

/// The kernel's `ALTIFNAMSIZ`, less the closing zero: an alternative name may be so long.
const LONGEST_NAME: usize = 127;
/// Of a longer name, so much is repeated.
const PRINTED: usize = 30;
/// Beyond so many names, one list of all devices costs less than a look-up each.
const FEW: usize = 8;
/// As many named namespaces are searched for an interface that is not here.
const NAMESPACES: usize = 64;

/// Refuses what `ip` takes for no name of an interface, not even an alternative one, and names
/// given twice.
pub fn check_names(names: &[String]) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        // Of a name of megabytes, its beginning.
        let beginning: String = name.chars().take(PRINTED).collect();
        let printable = beginning.escape_debug();
        if name.is_empty() || name == "." || name == ".." {
            return Err(Error::Usage(format!("'{printable}': not an interface name")));
        }
        if name.len() > LONGEST_NAME {
            return Err(Error::Usage(format!(
                "'{printable}': not an interface name (longer than {LONGEST_NAME} bytes)"
            )));
        }
        if let Some(wrong) = name.chars().find(|c| *c == '/' || c.is_whitespace() || c.is_control()) {
            let wrong = wrong.escape_debug();
            return Err(Error::Usage(format!(
                "'{printable}': not an interface name ('{wrong}' cannot be in one)"
            )));
        }
        if !seen.insert(name) {
            return Err(Error::Usage(format!("{printable}: given twice; name each interface once")));
        }
    }
    Ok(())
}

/// The devices of these names, in their order.
pub async fn by_name(netlink: &Netlink, names: &[String], force: bool) -> Result<Vec<Device>> {
    let mut devices = Vec::with_capacity(names.len());
    if names.len() <= FEW {
        for name in names {
            match netlink.device(name).await? {
                Some(device) => devices.push(device),
                None => return Err(missing(netlink, name).await?),
            }
        }
    } else {
        let mut all: HashMap<String, Device> =
            netlink.devices().await?.into_iter().map(|device| (device.name.clone(), device)).collect();
        for name in names {
            let listed = all.remove(name);
            match if listed.is_some() { listed } else { netlink.device(name).await? } {
                Some(device) => devices.push(device),
                None => return Err(missing(netlink, name).await?),
            }
        }
    }
    let mut seen = HashSet::new();
    for (device, name) in devices.iter().zip(names) {
        // The kernel knows a device by alternative names as well.
        if !seen.insert(device.ifindex) {
            return Err(given_twice(name, &device.name));
        }
        if !device.is_veth() && !force {
            return Err(Error::NotVeth { name: device.name.clone(), kind: device.kind.clone() });
        }
    }
    Ok(devices)
}

async fn missing(netlink: &Netlink, name: &str) -> Result<Error> {
    let all = netlink.devices().await?;
    let hint = elsewhere(name).map(|netns| format!("namespace {netns} has one; run: dpctl -n {netns} ..."));
    Ok(Error::NoSuchInterface {
        name: name.to_owned(),
        near: near(name, all.iter().map(|device| device.name.as_str())),
        hint,
    })
}

/// The named namespace that has such an interface.
fn elsewhere(name: &str) -> Option<String> {
    let entries = std::fs::read_dir("/run/netns").ok()?;
    entries.flatten().take(NAMESPACES).map(|entry| entry.file_name().to_string_lossy().into_owned()).find(
        |netns| {
            let found = NetNs::open(netns).and_then(|netns| device_in(&netns, name));
            found.is_ok_and(|device| device.is_some())
        },
    )
}

/// The host side of a container's interface: the other end of its veth, in this namespace.
pub async fn host_side(netlink: &Netlink, container: &NetNs, interface: &str) -> Result<Device> {
    let problem = |problem: String| Error::NoHostSide { container: container.name().to_owned(), problem };
    if container.is_own()? {
        return Err(problem(
            "shares this network namespace (host networking), so it has no veth of its own".to_owned(),
        ));
    }
    let inside = device_in(container, interface)?
        .ok_or_else(|| problem(format!("has no interface {interface}; --interface names another")))?;
    let veth = inside.peer.filter(|_| inside.is_veth());
    let Some(peer) = veth else {
        return Err(problem(format!(
            "{interface} is a {} device, not a veth; it has no host side",
            inside.kind
        )));
    };
    // The number alone may name any device of ours: the two ends must name each other.
    let devices = netlink.devices().await?;
    let nsid = netlink.nsid(std::os::fd::AsFd::as_fd(container)).await?;
    devices
        .into_iter()
        .find(|device| {
            device.ifindex == peer.ifindex
                && device.is_veth()
                && device
                    .peer
                    .is_some_and(|back| back.ifindex == inside.ifindex && back.nsid == nsid && nsid.is_some())
        })
        .ok_or_else(|| {
            problem(format!(
                "the host side of {interface} is not in this network namespace; run: dpctl -n NETNS ..."
            ))
        })
}

fn device_in(netns: &NetNs, interface: &str) -> Result<Option<Device>> {
    netns.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| Error::Io { call: "start a runtime".to_owned(), source })?;
        runtime.block_on(async { Netlink::open()?.device(interface).await })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn takes_what_the_kernel_takes() {
        let longest = "x".repeat(LONGEST_NAME);
        let taken = ["eth0", "veth1.2", "a-b_c@d", "fünf", "a:1", "veth%d", longest.as_str()];
        assert!(check_names(&names(&taken)).is_ok());
    }

    #[test]
    fn refuses_what_no_interface_is_called() {
        let long = "x".repeat(LONGEST_NAME + 1);
        for name in ["", ".", "..", "a/b", "../eth0", "a b", "a\tb", "a\nb", "a\0", &long] {
            let error = check_names(&names(&[name])).expect_err(name).to_string();
            assert!(error.contains("not an interface name"), "{error}");
            assert!(!error.contains(['\n', '\t', '\0']), "one printable line: {error:?}");
        }
    }

    #[test]
    fn refuses_a_name_given_twice() {
        let error = check_names(&names(&["a", "b", "a"])).expect_err("twice");
        assert_eq!(error.to_string(), "a: given twice; name each interface once");
        assert_eq!(error.exit_code(), 2);
    }
}
