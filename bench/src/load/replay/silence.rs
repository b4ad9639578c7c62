//! A server that does not answer what it did not ask for.

use anyhow::{Result, ensure};
use dataplane_tests::netns::Namespace;

/// Its kernel would tell strangers' segments and requests off, and the path would carry that too.
const ANSWERS: [&str; 2] = ["tcp", "icmp"];

/// While it lasts, what the namespace itself sends of these protocols goes nowhere.
pub(super) struct Silence<'n>(&'n Namespace);

impl<'n> Silence<'n> {
    pub(super) fn of(namespace: &'n Namespace) -> Result<Self> {
        let silence = Self(namespace);
        for protocol in ANSWERS {
            let done = namespace.try_run(&format!("ip rule add pref 1 iif lo ipproto {protocol} blackhole"));
            ensure!(done.code == 0, "keep the server silent: {}", done.stderr.trim());
        }
        Ok(silence)
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        for protocol in ANSWERS {
            self.0.try_run(&format!("ip rule del pref 1 iif lo ipproto {protocol} blackhole"));
        }
    }
}
