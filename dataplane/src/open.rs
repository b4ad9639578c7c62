//! Opening a session: settles first what a killed command left, and clears away attachments
//! whose interface is gone.

use crate::bpffs;
use crate::error::{Error, Result};
use crate::expedite;
use crate::features;
use crate::hook;
use crate::instance::{Directories, Instance};
use crate::netlink::Netlink;
use crate::object::{self, Datapath};
use crate::remains;
use crate::session::Session;
use crate::settle;
use crate::store::Store;
use crate::unmake;

impl Session {
    /// For a command that changes something: makes what is missing and takes the lock.
    pub async fn change(directories: &Directories, command: &'static str) -> Result<Self> {
        let mut session = Self::locked(directories, command)?;
        match session.settle().await {
            Ok(()) => Ok(session),
            Err(error) => Err(session.give_up(error)),
        }
    }

    /// As [`change`](Self::change), at a cost that does not grow with what is there: only what a
    /// killed command left is settled.
    pub async fn change_few(directories: &Directories, command: &'static str) -> Result<Self> {
        let mut session = Self::locked(directories, command)?;
        let settled = async {
            session.open_pins().await?;
            settle::settle_unfinished(&mut session).await
        };
        match settled.await {
            Ok(()) => Ok(session),
            Err(error) => Err(session.give_up(error)),
        }
    }

    async fn open_pins(&mut self) -> Result<()> {
        settle::settle_pins(self).await?;
        self.datapath = Datapath::open(&self.instance)?;
        Ok(())
    }

    async fn settle(&mut self) -> Result<()> {
        self.open_pins().await?;
        self.departed = settle::settle(self).await?;
        Ok(())
    }

    /// Ends a command that failed, and gives its error back. What its session made for the first
    /// interface of all goes with it: a refused attach leaves the host as it was.
    pub fn give_up(mut self, error: Error) -> Error {
        let is_used = !self.store.is_empty().unwrap_or(false);
        match (self.lock.take(), self.grounds.take()) {
            (Some(lock), Some(grounds)) if !is_used => {
                let Self { instance, store, .. } = self;
                drop(store);
                unmake::undo(&instance, lock, &grounds, error)
            }
            _ => error,
        }
    }

    /// For a command that changes what is there; `None` where nothing ever was, and nothing is
    /// made then.
    pub async fn existing(directories: &Directories, command: &'static str) -> Result<Option<Self>> {
        require_root(command)?;
        if Instance::find(directories)?.exists() {
            Self::change(directories, command).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// As [`existing`](Self::existing), at a cost that does not grow with what is there.
    pub async fn existing_few(directories: &Directories, command: &'static str) -> Result<Option<Self>> {
        require_root(command)?;
        if Instance::find(directories)?.exists() {
            Self::change_few(directories, command).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// As [`existing`](Self::existing), but pins that cannot be used count as none: for the
    /// commands that make them anew.
    pub async fn repair(directories: &Directories, command: &'static str) -> Result<Option<Self>> {
        require_root(command)?;
        if !Instance::find(directories)?.exists() {
            return Ok(None);
        }
        let mut session = Self::locked(directories, command)?;
        settle::settle_pins(&mut session).await?;
        session.datapath = match Datapath::open(&session.instance) {
            Err(Error::Bpffs { .. } | Error::Layout { .. }) => None,
            other => other?,
        };
        session.departed = settle::settle(&mut session).await?;
        Ok(Some(session))
    }

    fn locked(directories: &Directories, command: &'static str) -> Result<Self> {
        require_root(command)?;
        let instance = Instance::find(directories)?;
        refuse_strange_pins(&instance)?;
        // Once a boot, as pins go with it, and another kernel may have come.
        if !object::layout_dir(&instance).exists() {
            features::require()?;
        }
        bpffs::judge(&instance.bpffs)?;
        let (lock, grounds) = instance.lock_on_grounds()?;
        // Under the lock: another command may have been the first one meanwhile.
        let is_new = !instance.exists();
        // As instances come, those whose namespace is gone go. It is not this command's to fail of.
        if is_new {
            match remains::find_sure(directories).map(remains::clear) {
                Ok(cleared) => cleared.errors.iter().for_each(|error| tracing::debug!("remains: {error}")),
                Err(error) => tracing::debug!("remains: {error}"),
            }
        }
        match Self::parts(&instance) {
            Ok((store, netlink)) => {
                let (lock, grounds) = (Some(lock), is_new.then_some(grounds));
                Ok(Self {
                    instance,
                    store,
                    netlink,
                    datapath: None,
                    departed: Vec::new(),
                    lock,
                    grounds,
                    is_settled: true,
                })
            }
            Err(error) if is_new => Err(unmake::undo(&instance, lock, &grounds, error)),
            Err(error) => Err(error),
        }
    }

    fn parts(instance: &Instance) -> Result<(Store, Netlink)> {
        instance.prepare()?;
        expedite::restore_abandoned();
        let mut store = Store::open(&instance.database())?;
        store.settle_place(&instance.pins)?;
        Ok((store, Netlink::open()?))
    }

    /// For a command that only looks; `None` where there is nothing to see. It settles what it
    /// finds unfinished unless another command is at work, and then keeps the lock to itself
    /// no longer than that.
    pub async fn look(directories: &Directories, command: &'static str) -> Result<Option<Self>> {
        require_root(command)?;
        let instance = Instance::find(directories)?;
        if !instance.exists() {
            return Ok(None);
        }
        bpffs::refuse_private(&instance.bpffs)?;
        refuse_strange_pins(&instance)?;
        if !instance.database().exists() {
            return Ok(None);
        }
        let lock = instance.try_lock()?;
        // A reset may have removed it meanwhile.
        let Some(mut store) = Store::open_existing(&instance.database())? else { return Ok(None) };
        store.settle_place(&instance.pins)?;
        let netlink = Netlink::open()?;
        let is_settled = lock.is_some();
        let (departed, grounds) = (Vec::new(), None);
        let mut session =
            Self { instance, store, netlink, datapath: None, departed, lock, grounds, is_settled };
        if session.lock.is_some() {
            expedite::restore_abandoned();
            settle::settle_pins(&mut session).await?;
        }
        session.datapath = Datapath::open(&session.instance)?;
        if session.lock.is_some() {
            session.departed = settle::settle(&mut session).await?;
            session.lock = None;
        }
        Ok(Some(session))
    }
}

/// Refuses pins without a database: they belong to another, and would be taken for nobody's.
fn refuse_strange_pins(instance: &Instance) -> Result<()> {
    if instance.database().exists() {
        return Ok(());
    }
    let links = hook::pinned(instance)?.links;
    if links.is_empty() && !object::layout_dir(instance).exists() {
        return Ok(());
    }
    let problem =
        "no database, but pins are there; give the --state-dir that they belong to, or run: dpctl reset";
    Err(Error::State { path: instance.database(), problem })
}

/// Refuses anybody but root.
pub fn require_root(command: &'static str) -> Result<()> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err(Error::NotRoot(command)) }
}
