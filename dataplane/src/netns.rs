//! Network namespaces: open once, and use by descriptor.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{OFlags, fstat, fstatfs};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Attempt, Error, Result};

const NSFS_MAGIC: i64 = 0x6e73_6673;

const NO_SUCH_NAMESPACE: &str = "no such network namespace; ip netns lists those with a name";
const NOT_A_NAMESPACE: &str =
    "not a network namespace; ip netns lists those with a name, /proc/PID/ns/net is a process's";

/// A network namespace, held open.
#[derive(Debug)]
pub struct NetNs {
    file: File,
    name: String,
}

impl NetNs {
    /// By path; a name without `/` is one below /run/netns, as for `ip -n`.
    pub fn open(name: &str) -> Result<Self> {
        if name.is_empty() {
            let problem = NO_SUCH_NAMESPACE.to_owned();
            return Err(Error::NoHostSide { container: "''".to_owned(), problem });
        }
        let path = if name.contains('/') { PathBuf::from(name) } else { Path::new("/run/netns").join(name) };
        Self::open_path(&path, &name.escape_debug().to_string())
    }

    /// The namespace of a process.
    pub fn of_pid(pid: u32) -> Result<Self> {
        let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
        if !Path::new(&format!("/proc/{pid}")).exists() {
            let problem =
                "no such process; for a container: docker inspect -f '{{.State.Pid}}' NAME".to_owned();
            return Err(Error::NoHostSide { container: format!("pid {pid}"), problem });
        }
        match Self::open_path(&path, &format!("pid {pid}")) {
            // A zombie: its number is taken until its parent has asked what became of it.
            Err(Error::NoHostSide { container, .. }) => {
                let problem = "the process has ended; a container that restarted has another: docker inspect -f '{{.State.Pid}}' NAME";
                Err(Error::NoHostSide { container, problem: problem.to_owned() })
            }
            other => other,
        }
    }

    /// By path; `name` is for messages.
    pub fn open_path(path: &Path, name: &str) -> Result<Self> {
        let not_one =
            |problem: &str| Error::NoHostSide { container: name.to_owned(), problem: problem.to_owned() };
        // O_NONBLOCK: a path that leads to a pipe must not hang us.
        let fd = rustix::fs::open(
            path,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
            rustix::fs::Mode::empty(),
        )
        .map_err(|errno| match errno {
            rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::NAMETOOLONG => {
                not_one(NO_SUCH_NAMESPACE)
            }
            rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => {
                Error::ClosedNamespace { container: name.to_owned() }
            }
            other => Error::Io { call: format!("open network namespace {name}"), source: other.into() },
        })?;
        Self::from_file(File::from(fd), name)
    }

    fn from_file(file: File, name: &str) -> Result<Self> {
        let kind = fstatfs(&file).attempt(|| format!("examine {name}"))?.f_type;
        if kind != NSFS_MAGIC {
            let problem = NOT_A_NAMESPACE.to_owned();
            return Err(Error::NoHostSide { container: name.to_owned(), problem });
        }
        Ok(Self { file, name: name.to_owned() })
    }

    /// As links in /proc show it.
    pub fn label(&self) -> Result<String> {
        let stat = fstat(&self.file).attempt(|| format!("examine {}", self.name))?;
        Ok(format!("net:[{}]", stat.st_ino))
    }

    /// As it was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the one this process is in.
    pub fn is_own(&self) -> Result<bool> {
        let own =
            File::open("/proc/thread-self/ns/net").attempt(|| "open own network namespace".to_owned())?;
        let same = |a: &File, b: &File| -> std::io::Result<bool> {
            let (a, b) = (a.metadata()?, b.metadata()?);
            Ok((a.dev(), a.ino()) == (b.dev(), b.ino()))
        };
        same(&own, &self.file).attempt(|| "compare network namespaces".to_owned())
    }

    /// Moves the calling thread in.
    pub fn enter(&self) -> Result<()> {
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|errno| {
            match errno {
                rustix::io::Errno::INVAL => {
                    Error::NoHostSide { container: self.name.clone(), problem: NOT_A_NAMESPACE.to_owned() }
                }
                other => {
                    Error::Io { call: format!("enter network namespace {}", self.name), source: other.into() }
                }
            }
        })
    }

    /// Runs `work` inside, on a thread of its own.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    self.enter()?;
                    work()
                })
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}
