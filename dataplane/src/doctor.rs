//! Doctor: what the host has, what is used instead of what it lacks, what may surprise, and
//! what is wrong.
//!
//! Changes nothing that another command would not settle as well.

use crate::bpffs;
use crate::error::{Error, Result};
use crate::expedite;
use crate::features::{FEATURES, Feature, Otherwise};
use crate::instance::{Directories, Instance};
use crate::reconcile::compare;
use crate::remains::{self, Remainder};
use crate::session::{Session, departure};
use crate::surroundings::{self, Fact};

/// One thing looked at.
#[derive(Debug)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// How it is, or what is wrong and what to do.
    pub words: String,
    /// What to think of it.
    pub verdict: Verdict,
    /// What was tried, if it is something that a kernel has or lacks.
    pub feature: Option<Feature>,
}

/// What to think of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Fine,
    /// Nothing is wrong, but it may be a surprise.
    Known,
    /// Something is wrong.
    Wrong,
}

impl Check {
    fn new(what: &'static str, words: impl Into<String>, verdict: Verdict) -> Self {
        Self { what, words: words.into(), verdict, feature: None }
    }

    fn ok(what: &'static str, words: impl Into<String>) -> Self {
        Self::new(what, words, Verdict::Fine)
    }

    fn known(what: &'static str, words: impl Into<String>) -> Self {
        Self::new(what, words, Verdict::Known)
    }

    fn bad(what: &'static str, words: impl Into<String>) -> Self {
        Self::new(what, words, Verdict::Wrong)
    }
}

impl From<Fact> for Check {
    fn from(Fact { what, words, is_surprise }: Fact) -> Self {
        if is_surprise { Self::known(what, words) } else { Self::ok(what, words) }
    }
}

/// Looks at everything.
pub async fn examine(directories: &Directories) -> Result<Vec<Check>> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot("doctor"));
    }
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut checks = vec![Check::ok("kernel", kernel)];
    checks.extend(FEATURES.iter().map(feature));
    checks.push(switch());
    match Instance::find(directories) {
        Ok(instance) => {
            checks.push(mounts(&instance));
            checks.extend(state(directories, &instance).await);
            checks.extend(other_instances(directories));
        }
        Err(error) => {
            checks.extend(facts(surroundings::look(&[])));
            checks.push(wrong(&error));
        }
    }
    Ok(checks)
}

fn feature(feature: &Feature) -> Check {
    let Feature { name, since, .. } = *feature;
    let check = match (feature.is_there(), feature.otherwise) {
        (Err(error), _) => Check::bad(name, format!("could not be tried: {error}")),
        (Ok(true), _) => Check::ok(name, "yes"),
        (Ok(false), Otherwise::Instead(instead)) => {
            Check::known(name, format!("no (Linux {since}); instead: {instead}"))
        }
        (Ok(false), Otherwise::Refused) => {
            Check::bad(name, format!("no (Linux {since}); dpctl refuses to work without it"))
        }
    };
    Check { feature: Some(*feature), ..check }
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
        Check::known(
            "rcu_expedited",
            "not used, since CPUs are isolated: each link takes tens of milliseconds",
        )
    } else if !expedite::is_there() {
        Check::known("rcu_expedited", "this kernel has none: each link takes tens of milliseconds")
    } else {
        Check::ok("rcu_expedited", "set while links are attached or detached, and set back")
    }
}

async fn state(directories: &Directories, instance: &Instance) -> Vec<Check> {
    let session = if instance.exists() { Session::look(directories, "doctor").await } else { Ok(None) };
    match session {
        Ok(Some(session)) => attached(&session).await.unwrap_or_else(|error| vec![wrong(&error)]),
        Ok(None) => {
            let mut checks = facts(surroundings::look(&[]));
            checks.push(Check::ok("attachments", "none"));
            match surroundings::foreign_veths(&[]).await {
                Ok(fact) => checks.extend(fact.map(Check::from)),
                Err(error) => checks.push(wrong(&error)),
            }
            checks
        }
        Err(error) => {
            let mut checks = facts(surroundings::look(&[]));
            checks.push(wrong(&error));
            checks
        }
    }
}

fn other_instances(directories: &Directories) -> Vec<Check> {
    let remainders = match remains::find(directories) {
        Ok(remainders) => remainders,
        Err(error) => return vec![wrong(&error)],
    };
    let check = |remainder: &Remainder| match remainder.advice() {
        None => Check::bad("instances", format!("{}; run: dpctl reconcile", remainder.problem())),
        Some(advice) => Check::known("instances", advice),
    };
    remainders.iter().map(check).collect()
}

fn facts(facts: impl IntoIterator<Item = Fact>) -> Vec<Check> {
    facts.into_iter().map(Check::from).collect()
}

fn wrong(error: &Error) -> Check {
    Check::bad("state", error.to_string())
}

async fn attached(session: &Session) -> Result<Vec<Check>> {
    let rows = session.store.attachments()?;
    let mut checks = facts(surroundings::look(&rows));
    checks.extend(session.departed.iter().map(|row| Check::ok("gone", departure(row))));
    checks.push(Check::ok("attachments", rows.len().to_string()));
    let others = surroundings::others(session, &rows).await?;
    checks.extend(facts(others.into_iter().chain(surroundings::foreign_veths(&rows).await?)));
    let differences = compare(session).await?;
    if differences.is_empty() {
        checks.push(Check::ok("intent", "the kernel has what was asked for"));
    }
    let found = differences.iter().map(|found| format!("{found}; run: dpctl reconcile"));
    checks.extend(found.map(|words| Check::bad("intent", words)));
    Ok(checks)
}
