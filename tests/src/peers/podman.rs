//! A real podman with its own storage, bridge and rules. It has no daemon.

use std::fs;
use std::process::Command;

use super::ground::Ground;
use super::{Engine, image};
use crate::netns::Namespace;

/// Storage and configuration of its own, and the command that works on them.
#[derive(Debug)]
pub struct Podman {
    ground: Ground,
}

impl Engine for Podman {
    const NAME: &'static str = "podman";
    const NEEDS: &'static [&'static str] =
        &["podman", "conmon", "runc", "iptables", image::NEEDS[0], image::NEEDS[1]];
    const NETWORK: &'static str = "podman";

    fn start() -> Self {
        let ground = Ground::new();
        let folder = ground.folder().display();
        // runc and cgroupfs run anywhere: crun refuses hybrid cgroups, systemd may be absent.
        // The limits are below those that an unprivileged machine allows.
        let configuration = format!(
            r#"
            [containers]
            default_ulimits = ["nofile=1024:4096", "nproc=2048:4096"]
            [engine]
            cgroup_manager = "cgroupfs"
            runtime = "runc"
            events_logger = "file"
            [network]
            network_backend = "cni"
            cni_plugin_dirs = ["/usr/lib/cni", "/opt/cni/bin"]
            network_config_dir = "{folder}/private/net"
            "#
        );
        fs::write(ground.folder().join("containers.conf"), configuration).expect("the folder is ours");
        let podman = Self { ground };
        podman.run(&format!("import {} {}", image::write(podman.ground.folder()).display(), image::NAME));
        podman
    }

    fn host(&self) -> &Namespace {
        &self.ground.host
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.ground.command("podman");
        for (option, folder) in [("--root", "data"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(option).arg(self.ground.private(folder));
        }
        command.args(line.split_whitespace());
        command.env("CONTAINERS_CONF", self.ground.folder().join("containers.conf"));
        command
    }

    fn options(&self) -> String {
        format!("--cgroup-parent /{}", self.ground.cgroup())
    }
}
