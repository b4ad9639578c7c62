//! Docker's userland proxy: a process for each published port, which accepts and passes on. No
//! rule translates, so the proxy carries all.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::docker_shape::{self, Growth, one_port};
use super::proxies::{PROXY, Proxy, end};
use super::{Chore, Tool, Variant, Work, proof};
use crate::bed::{Bed, SERVER_GATEWAY};
use crate::crowd::Crowd;
use crate::interrupt;

/// A process for each of N published ports.
pub(super) struct DockerProxy;

/// A process has about 0.7 MiB of its own and eight threads.
const LARGEST: u32 = 1000;

impl Variant for DockerProxy {
    fn name(&self) -> &'static str {
        "docker-proxy"
    }

    fn about(&self) -> &'static str {
        "Docker's proxy, a process for each of N published ports, no rules"
    }

    fn counts(&self) -> Option<&'static str> {
        Some(Growth::Ports.counts())
    }

    fn largest(&self) -> u32 {
        LARGEST
    }

    fn each_takes(&self) -> Duration {
        Duration::from_millis(8) // a process
    }

    fn needs(&self) -> &[Tool] {
        &[PROXY]
    }

    fn unfair(&self) -> &'static [&'static str] {
        &[
            "Against docker-proxy: Docker sends most traffic past it by rules; here all goes through it, as only \
           traffic from the host itself does there.",
            "For docker-proxy: in tcp, udp and raw it runs on any CPU, beside the one of both ends; in rr, crr and cpu \
           on theirs.",
        ]
    }

    fn build(&self, size: u32) -> Result<Bed> {
        let mut bed = docker_shape::bed();
        let mut proxies = Proxies(Vec::new());
        for port in docker_shape::shape(Growth::Ports, size).published {
            interrupt::check()?;
            proxies.0.push(Proxy::start(bed.host(), &port)?);
        }
        for proxy in &mut proxies.0 {
            proxy.listens()?;
        }
        // What the server sees is the proxy's own connection.
        proof::is_seen_as(&bed, SERVER_GATEWAY)?;
        let running = bed.host().processes().len();
        ensure!(running == proxies.0.len(), "{running} proxies run where {} should", proxies.0.len());
        bed.keep(proxies);
        Ok(bed)
    }

    fn chore(&self) -> Option<&dyn Chore> {
        Some(self)
    }
}

impl Chore for DockerProxy {
    fn about(&self) -> &'static str {
        "docker-proxy started and listening, and ended by SIGINT; all: all at once"
    }

    fn begin(&self, crowd: &Arc<Crowd>) -> Result<Box<dyn Work>> {
        Ok(Box::new(AtWork { crowd: Arc::clone(crowd), proxies: Proxies(Vec::new()) }))
    }
}

/// Ended on drop.
struct Proxies(Vec<Proxy>);

impl Drop for Proxies {
    fn drop(&mut self) {
        end(std::mem::take(&mut self.0));
    }
}

struct AtWork {
    crowd: Arc<Crowd>,
    proxies: Proxies,
}

impl Work for AtWork {
    fn add(&mut self, number: u32) -> Result<()> {
        self.add_all(number..=number)
    }

    fn remove(&mut self, number: u32) -> Result<()> {
        self.remove_all(number..=number)
    }

    fn add_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        let before = self.proxies.0.len();
        for number in numbers {
            interrupt::check()?;
            let port = one_port(number, self.crowd.address(number));
            self.proxies.0.push(Proxy::start(&self.crowd.host, &port)?);
        }
        self.proxies.0[before..].iter_mut().try_for_each(Proxy::listens)
    }

    fn remove_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        let ports = numbers.map(|number| one_port(number, self.crowd.address(number)).host_port);
        let ports: Vec<u16> = ports.collect();
        let all = std::mem::take(&mut self.proxies.0);
        let (gone, stay) = all.into_iter().partition(|proxy| ports.contains(&proxy.host_port));
        self.proxies.0 = stay;
        end(gone);
        Ok(())
    }
}
