//! Asking for a refusal, and for an unchanged host after it.

use std::path::{Path, PathBuf};

use dataplane_tests::command::{Output, run_with_input};
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::leftovers::files;
use dataplane_tests::netns::Namespace;
use dataplane_tests::state::State;

/// What stands on the host, programs by id.
fn host_state(host: &Namespace) -> String {
    let links = host.run("ip -d -j link").stdout;
    let programs = host.enter(|| {
        use aya::programs::{SchedClassifier, TcAttachType};
        let names = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
        let names =
            names.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim().to_owned());
        let ids = names.flat_map(|name| {
            [TcAttachType::Ingress, TcAttachType::Egress].map(|hook| {
                let programs =
                    SchedClassifier::query_tcx(&name, hook).map_or(vec![], |(_, programs)| programs);
                format!(
                    "{name}: {:?}",
                    programs.iter().map(aya::programs::ProgramInfo::id).collect::<Vec<_>>()
                )
            })
        });
        ids.collect::<Vec<_>>().join("\n")
    });
    // A bridge's timers run by themselves, and a carrier is noticed a little later.
    let is_timer = |key: &str| key.contains("timer") || key.contains("operstate");
    let quiet = |links: &str| {
        let parts = links.split(',').filter(|part| !is_timer(part.split(':').next().unwrap_or_default()));
        parts.collect::<Vec<_>>().join(",")
    };
    quiet(&links) + &programs + &host.run("tc qdisc show").stdout
}

/// An instance that refuses, and must be as it was in the end.
pub(crate) struct Refusals<'t> {
    host: &'t Namespace,
    dpctl: &'t Dpctl<'t>,
    before: (String, State, [Vec<PathBuf>; 2]),
}

impl<'t> Refusals<'t> {
    /// From here on, nothing may change.
    #[track_caller]
    pub(crate) fn of(host: &'t Namespace, dpctl: &'t Dpctl<'t>) -> Self {
        Self { host, dpctl, before: everything(host, dpctl) }
    }

    /// Runs `dpctl` with the words of `line`, which must be refused: this exit code, one line that
    /// has all of `words` in it (of `a|b`, one), and nothing on standard output.
    #[track_caller]
    pub(crate) fn line(&self, line: &str, code: i32, words: &[&str]) {
        assert_one_line(&self.dpctl.try_run(line), code, words);
    }

    /// As [`line`](Self::line), with more words that may hold white space.
    #[track_caller]
    pub(crate) fn words(&self, line: &str, more: &[&str], code: i32, words: &[&str]) {
        assert_one_line(&run_with_input(self.dpctl.command(line).args(more), b""), code, words);
    }

    /// As [`line`](Self::line), with standard input.
    #[track_caller]
    pub(crate) fn input(&self, line: &str, input: &[u8], code: i32, words: &[&str]) {
        assert_one_line(&run_with_input(&mut self.dpctl.command(line), input), code, words);
    }

    /// Fails unless all is as it was.
    #[track_caller]
    pub(crate) fn changed_nothing(self) {
        let (host, state, files) = everything(self.host, self.dpctl);
        assert_eq!(self.before.0, host, "the host was changed");
        state.assert_is(&self.before.1, "after what was refused");
        assert_eq!(self.before.2, files, "pins, and what is in the directory of the state");
    }
}

#[track_caller]
fn everything(host: &Namespace, dpctl: &Dpctl<'_>) -> (String, State, [Vec<PathBuf>; 2]) {
    (host_state(host), State::of(host, dpctl), [files(&dpctl.bpffs_dir()), tree(&dpctl.state_dir())])
}

/// A directory, if there is one, and all below it; SQLite makes and removes its log as it likes.
fn tree(path: &Path) -> Vec<PathBuf> {
    let name = path.to_string_lossy();
    if !path.exists() || name.ends_with("-wal") || name.ends_with("-shm") {
        return Vec::new();
    }
    let mut below: Vec<PathBuf> = std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|entry| tree(&entry.path()))
        .collect();
    below.push(path.to_owned());
    below.sort();
    below
}

/// One line on standard error, and no other word.
#[track_caller]
pub(crate) fn assert_one_line(refused: &Output, code: i32, words: &[&str]) {
    assert_eq!(refused.code, code, "{refused}");
    let lines: Vec<&str> = refused.stderr.lines().collect();
    assert!(matches!(lines.as_slice(), [line] if line.starts_with("dpctl: ")), "one line: {refused}");
    assert!(refused.stderr.ends_with('\n') && refused.stderr.len() < 500, "a short line: {refused}");
    assert!(!refused.stderr.trim_end().contains(char::is_control), "printable: {refused}");
    assert_eq!(refused.stdout, "", "{refused}");
    for word in words {
        assert!(word.split('|').any(|word| refused.stderr.contains(word)), "`{word}` is not in: {refused}");
    }
}
