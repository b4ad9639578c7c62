//! Doctor: what the host has, what is used instead of what it lacks, and what is wrong.
//!
//! Changes nothing that another command would not settle as well.

use crate::bpffs;
use crate::error::{Error, Result};
use crate::expedite;
use crate::hook;
use crate::instance::{Directories, Instance};
use crate::reconcile::compare;
use crate::session::{Session, departure};

/// One thing looked at.
#[derive(Debug)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// How it is.
    pub fact: String,
    /// What is wrong with it and what to do; `None` if nothing is.
    pub problem: Option<String>,
}

impl Check {
    fn ok(what: &'static str, fact: impl Into<String>) -> Self {
        Self { what, fact: fact.into(), problem: None }
    }

    fn bad(what: &'static str, problem: impl Into<String>) -> Self {
        Self { what, fact: String::new(), problem: Some(problem.into()) }
    }
}

/// Looks at everything.
pub async fn examine(directories: &Directories) -> Result<Vec<Check>> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot("doctor"));
    }
    let instance = Instance::find(directories)?;
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut checks = vec![
        Check::ok("kernel", kernel),
        if hook::has_tcx() {
            Check::ok("hook", "tcx")
        } else {
            Check::ok("hook", "clsact (tcx needs Linux 6.6)")
        },
        mounts(&instance),
        switch(),
    ];
    checks.extend(state(directories, &instance).await);
    Ok(checks)
}

fn mounts(instance: &Instance) -> Check {
    let dir = instance.bpffs.display();
    match bpffs::refuse_private(&instance.bpffs) {
        Err(error) => Check::bad("bpffs", error.to_string()),
        Ok(()) if bpffs::on_bpffs(&instance.bpffs) => Check::ok("bpffs", format!("{dir}")),
        Ok(()) => Check::ok("bpffs", format!("none at {dir}; the first attach mounts one")),
    }
}

fn switch() -> Check {
    if expedite::is_abandoned() {
        Check::bad("rcu_expedited", "left on by a killed command; the next command sets it back")
    } else if expedite::has_isolated_cpus() {
        Check::ok("rcu_expedited", "not used, since CPUs are isolated: each link takes tens of milliseconds")
    } else {
        Check::ok("rcu_expedited", "set while links are attached or detached, and set back")
    }
}

async fn state(directories: &Directories, instance: &Instance) -> Vec<Check> {
    if !instance.exists() {
        return vec![Check::ok("attachments", "none")];
    }
    let session = match Session::look(directories, "doctor").await {
        Ok(Some(session)) => session,
        Ok(None) => return vec![Check::ok("attachments", "none")],
        Err(error) => return vec![Check::bad("state", error.to_string())],
    };
    let count = session.store.attachments().map(|rows| rows.len());
    let mut checks = vec![match count {
        Ok(count) => Check::ok("attachments", count.to_string()),
        Err(error) => Check::bad("attachments", error.to_string()),
    }];
    checks.extend(session.departed.iter().map(|row| Check::ok("gone", departure(row))));
    match compare(&session).await {
        Ok(differences) if differences.is_empty() => {
            checks.push(Check::ok("intent", "the kernel has what was asked for"));
        }
        Ok(differences) => checks.extend(
            differences.iter().map(|found| Check::bad("intent", format!("{found}; run: dpctl reconcile"))),
        ),
        Err(error) => checks.push(Check::bad("intent", error.to_string())),
    }
    checks
}
