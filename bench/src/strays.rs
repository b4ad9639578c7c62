//! Processes in namespaces of ours that outlive whoever started them: a server put into the
//! background, the proxy of a run that was killed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use dataplane_tests::netns::{Namespace, PREFIX, processes};
use rustix::process::{Pid, Signal, kill_process};

/// Ends on drop whatever still runs in these namespaces.
#[derive(Debug)]
pub(crate) struct EndsThem(BTreeSet<u64>);

impl EndsThem {
    /// In these. Must go before they do.
    pub(crate) fn new<'n>(namespaces: impl IntoIterator<Item = &'n Namespace>) -> Self {
        Self(namespaces.into_iter().map(Namespace::inode).collect())
    }
}

impl Drop for EndsThem {
    fn drop(&mut self) {
        end_all_in(&self.0);
    }
}

/// Ends what runs in the namespaces of runs that were killed.
pub(crate) fn sweep() {
    let is_orphan = |name: &str| {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let owner = owner.and_then(|pid| pid.parse::<u32>().ok());
        owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
    };
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let orphans = entries.filter(|entry| is_orphan(&entry.file_name().to_string_lossy()));
    // What is no namespace is on another device, where an inode means something else.
    let ours = fs::metadata("/proc/self/ns/net").map_or(0, |of| of.dev());
    let inodes = orphans.filter_map(|entry| fs::metadata(entry.path()).ok().filter(|of| of.dev() == ours));
    end_all_in(&inodes.map(|of| of.ino()).collect());
}

fn end_all_in(inodes: &BTreeSet<u64>) {
    // Nobody but whoever made them knows these namespaces, so all that is in them is theirs. Our
    // own threads enter and leave; the process as such never does.
    let inside: BTreeSet<String> = inodes.iter().map(|inode| format!("net:[{inode}]")).collect();
    let is_inside = |pid: &u32| {
        let at = fs::read_link(format!("/proc/{pid}/ns/net"));
        at.is_ok_and(|at| inside.contains(&*at.to_string_lossy()))
    };
    let others = processes().filter(|pid| *pid != std::process::id());
    for pid in others.filter(is_inside).filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
        // It may have ended meanwhile.
        kill_process(pid, Signal::KILL).ok();
    }
}
