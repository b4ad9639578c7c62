//! A real dockerd with its own data, socket, bridge and rules.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use super::ground::{Ground, stop};
use super::{Engine, executable_path, image};
use crate::command::run;
use crate::eventually::eventually;
use crate::netns::Namespace;

/// A daemon of its own, and the client that speaks to it.
#[derive(Debug)]
pub struct Docker {
    daemon: Child,
    ground: Ground,
}

impl Engine for Docker {
    const NAME: &'static str = "docker";
    const NEEDS: &'static [&'static str] =
        &["dockerd", "docker", "runc", "iptables", "setpriv", image::NEEDS[0], image::NEEDS[1]];
    const NETWORK: &'static str = "bridge";

    fn start() -> Self {
        let ground = Ground::new();
        let log = File::create(ground.folder().join("log")).expect("the folder is ours");
        let mut command = ground.command("setpriv");
        // It ends with the test, however that ends.
        command.args(["--pdeathsig", "TERM", "dockerd", "--iptables=true"]);
        command.arg("--data-root").arg(ground.private("data"));
        command.arg("--exec-root").arg(ground.private("exec"));
        command.arg("--pidfile").arg(ground.private("pid"));
        command.arg("--host").arg(socket(&ground));
        command.arg("--cgroup-parent").arg(format!("/{}", ground.cgroup()));
        command.args(["--exec-opt", "native.cgroupdriver=cgroupfs"]);
        let errors = log.try_clone().expect("a file can be written twice");
        let daemon = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        let mut docker = Self { daemon: daemon.unwrap_or_else(|e| panic!("start dockerd: {e}")), ground };
        docker.wait_until_it_answers();
        docker.run(&format!("import {} {}", image::write(docker.ground.folder()).display(), image::NAME));
        docker
    }

    fn host(&self) -> &Namespace {
        &self.ground.host
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(executable_path("docker").expect("presence was checked"));
        command.args(["--host", &socket(&self.ground)]).args(line.split_whitespace());
        // Whatever the user has configured for a daemon of theirs is not for this one.
        command
            .env("DOCKER_CONFIG", self.ground.folder())
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_HOST");
        command
    }
}

impl Docker {
    fn wait_until_it_answers(&mut self) {
        eventually("dockerd answers", || {
            let log = || std::fs::read_to_string(self.ground.folder().join("log")).unwrap_or_default();
            let ended = self.daemon.try_wait().ok().flatten();
            assert!(ended.is_none(), "dockerd ended at once:\n{}", log());
            run(&mut self.command("version")).code == 0
        });
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        stop(&mut self.daemon);
    }
}

fn socket(ground: &Ground) -> String {
    format!("unix://{}/docker.sock", ground.folder().display())
}
