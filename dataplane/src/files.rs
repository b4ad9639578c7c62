//! The files of a sandbox of ours: hosts, hostname and resolv.conf, where `ip netns exec` looks
//! for them too.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::error::{Attempt, Result};
use crate::name::Name;

/// Where `ip netns exec` looks for files that stand for those in /etc.
pub const DIR: &str = "/etc/netns";
/// The files that stand for those in /etc.
pub const NAMES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];
const LOOPBACK: &str = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";

/// The directory of a sandbox's files.
pub fn dir(name: &Name) -> PathBuf {
    Path::new(DIR).join(name.as_str())
}

/// Makes the files of a sandbox that is on no network yet.
pub fn make(name: &Name) -> Result<()> {
    let dir = dir(name);
    fs::create_dir_all(&dir).attempt(|| format!("make {}", dir.display()))?;
    write(&dir.join("hostname"), &format!("{name}\n"))?;
    write(&dir.join("resolv.conf"), &resolvers(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default()))?;
    set_hosts(name, &[])
}

/// Writes the addresses that a sandbox has to its hosts.
pub fn set_hosts(name: &Name, addresses: &[IpAddr]) -> Result<()> {
    let own = addresses.iter().map(|address| format!("{address} {name}\n"));
    let text: String = std::iter::once(LOOPBACK.to_owned()).chain(own).collect();
    write(&dir(name).join("hosts"), &text)
}

/// The host's resolvers that a sandbox can reach: those on the host's loopback it cannot.
fn resolvers(hosts: &str) -> String {
    let is_reachable = |line: &&str| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["nameserver", address, ..] => address.parse::<IpAddr>().is_ok_and(|address| !address.is_loopback()),
        _ => true,
    };
    hosts.lines().filter(is_reachable).flat_map(|line| [line, "\n"]).collect()
}

/// In place: commands that run in the sandbox have the file itself mounted, and see the change.
fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).attempt(|| format!("write {}", path.display()))
}

/// Removes the files of a sandbox, but for what somebody has put beside them.
pub fn remove(name: &Name) -> Result<()> {
    let dir = dir(name);
    for file in NAMES.map(|file| dir.join(file)) {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).attempt(|| format!("remove {}", file.display()));
            }
            _ => {}
        }
    }
    // Not empty, or gone already: either is fine.
    for dir in [dir.as_path(), Path::new(DIR)] {
        if let Err(error) = fs::remove_dir(dir) {
            tracing::debug!("{}: {error}", dir.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_on_the_hosts_loopback_are_left_out() {
        let hosts = "search example.org\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver ::1\noptions ndots:2\n";
        assert_eq!(resolvers(hosts), "search example.org\nnameserver 192.0.2.1\noptions ndots:2\n");
    }
}
