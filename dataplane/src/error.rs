//! What can go wrong, each as one line that a tired operator understands, with its exit code.

use std::io;
use std::path::PathBuf;

use dataplane_common::limit::QueueTooLong;

use crate::refused::Refused;

/// Result of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was asked, what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line contradicts itself.
    #[error("{0}")]
    Usage(String),
    /// A network, sandbox or endpoint that cannot be, or cannot be had.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A queue that would take too long to drain.
    #[error(transparent)]
    Limit(#[from] QueueTooLong),
    /// An interface that is not in this namespace.
    #[error("{name}: no such interface in this network namespace{}{}", near_names(.near), or_hint(.hint.as_deref()))]
    NoSuchInterface {
        /// As asked for.
        name: String,
        /// The names that look like it.
        near: Vec<String>,
        /// What else might help.
        hint: Option<String>,
    },
    /// An interface that the kernel describes in a way that cannot be read.
    #[error(
        "{name}: the kernel's description of it cannot be read (an alias that is not UTF-8?); set another: ip link set {name} alias TEXT"
    )]
    UnreadableDevice {
        /// As asked for.
        name: String,
    },
    /// Not a veth, and `--force` was not given.
    #[error(
        "{name}: a {kind} device, not a veth; limits sit on the host side of a container's veth (--force attaches all the same)"
    )]
    NotVeth {
        /// The interface.
        name: String,
        /// What it is instead.
        kind: String,
    },
    /// An interface without an attachment of ours.
    #[error("{name}: not attached{}", or_hint(.hint.as_deref()))]
    NotAttached {
        /// The interface.
        name: String,
        /// What may have become of it.
        hint: Option<String>,
    },
    /// An interface that is an endpoint's.
    #[error(
        "{name}: an endpoint's, which is disconnected: dpctl disconnect NETWORK SANDBOX; its limit alone goes with: dpctl limit clear {name}"
    )]
    IsEndpoint {
        /// The interface.
        name: String,
    },
    /// All were meant, and there are none.
    #[error("nothing is attached, so there is nothing to detach; dpctl attach IFACE attaches")]
    NothingAttached,
    /// Every interface that was watched is gone.
    #[error("stats: none of the interfaces named is left; dpctl ls lists what is attached")]
    NoneLeft,
    /// A container whose host side cannot be found.
    #[error("{container}: {problem}")]
    NoHostSide {
        /// As asked for: a pid or a path.
        container: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// All slots are taken.
    #[error(
        "attach: all {capacity} slots are taken, {asked} more asked for; detach what is not needed (dpctl ls)"
    )]
    Full {
        /// Slots there are.
        capacity: u32,
        /// Slots asked for.
        asked: usize,
    },
    /// An attachment has the other kind of hook.
    #[error("{name}: attached {present}, asked for {asked}; run: dpctl detach {name}, and attach anew")]
    OtherHook {
        /// The interface.
        name: String,
        /// How it is attached.
        present: &'static str,
        /// How it should have been.
        asked: &'static str,
    },
    /// The place of clsact is taken.
    #[error(
        "{name}: has an ingress qdisc, and a device takes that or clsact; use --hook tcx, or remove it: tc qdisc del dev {name} ingress"
    )]
    IngressQdisc {
        /// The interface.
        name: String,
    },
    /// Another's filter has our priority and handle.
    #[error(
        "{name}: another program's filter has our place in {direction} (priority {priority}), perhaps another dpctl's with its own --state-dir; use --hook tcx, or --order to take the other place"
    )]
    PlaceTaken {
        /// The interface.
        name: String,
        /// Which way.
        direction: &'static str,
        /// The filter's priority.
        priority: u16,
    },
    /// Not a directory, where one is to be kept.
    #[error("{path}: not a directory; choose another")]
    NotDirectory {
        /// What was to be one.
        path: PathBuf,
    },
    /// A directory that is not there, and cannot be made.
    #[error("{path}: cannot be made ({}); choose another --state-dir or --bpffs-dir", plain(source))]
    CannotMake {
        /// What was to be one.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// A directory that is for something else as well.
    #[error("{path}: open to others (mode {mode:o}) and not empty; choose a directory that is dpctl's alone")]
    OpenDirectory {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A directory of somebody else's.
    #[error("{path}: belongs to user {uid}, who could change what is in it; choose a directory of root's")]
    OthersDirectory {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Not root.
    #[error("{0}: needs root; run it with sudo")]
    NotRoot(&'static str),
    /// Too few open files are allowed.
    #[error("{allowed} open files are allowed, and a command needs {needed}; run: ulimit -n 1024")]
    TooFewFiles {
        /// So many.
        allowed: u64,
        /// What is needed.
        needed: u64,
    },
    /// A network namespace that may not be opened.
    #[error(
        "{container}: its network namespace may not be opened; run dpctl as root of the whole machine, outside any container"
    )]
    ClosedNamespace {
        /// As asked for: a pid or a path.
        container: String,
    },
    /// The kernel lacks something.
    #[error("{feature}: this kernel has none (needs Linux {since}); {instead}")]
    Kernel {
        /// What is missing.
        feature: &'static str,
        /// Where it came.
        since: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// Mounts that die with the caller.
    #[error(
        "{path}: in a private mount namespace (as `ip netns exec` makes one) pins would vanish with it; run instead: dpctl -n NETNS ..."
    )]
    PrivateMounts {
        /// The directory that differs from the machine's.
        path: PathBuf,
    },
    /// The bpffs cannot be used.
    #[error("{path}: {problem}")]
    Bpffs {
        /// The directory.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Pins of another layout.
    #[error("{path}: pins of layout {found}, this dpctl has layout {wanted}; run: dpctl upgrade")]
    Layout {
        /// Where the pins lie.
        path: PathBuf,
        /// Their version.
        found: String,
        /// Ours.
        wanted: u32,
    },
    /// Pins that belong to another database.
    #[error(
        "{name}: has hooks that {database} does not know; give the --state-dir that they belong to, or run: dpctl reconcile (removes them)"
    )]
    UnknownHook {
        /// The interface.
        name: String,
        /// The database.
        database: PathBuf,
    },
    /// A database whose pins lie elsewhere.
    #[error(
        "{database}: its pins lie in {known}, asked for {asked}; give that --bpffs-dir, or another --state-dir"
    )]
    OtherPins {
        /// The database.
        database: PathBuf,
        /// Where its pins lie.
        known: PathBuf,
        /// Where they were looked for.
        asked: PathBuf,
    },
    /// A pin under one of our names that we did not make.
    #[error("{path}: not ours ({found}, expected {wanted}); move it away, or choose another --bpffs-dir")]
    ForeignPin {
        /// The pin.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// The database cannot be read.
    #[error("{path}: {problem}")]
    State {
        /// The database.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// The database is in use or the disk is full.
    #[error("{path}: {problem}")]
    Busy {
        /// The database.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// The database failed in some other way.
    #[error("{path}: {source}")]
    Store {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The kernel refused the programs.
    #[error("load the programs: {0}; dpctl doctor says what this kernel lacks")]
    Load(String),
    /// A call failed.
    #[error("{call}: {}", plain(source))]
    Io {
        /// What was attempted, on what.
        call: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// A netlink request failed.
    #[error("{call}: {}", netlink_words(source))]
    Netlink {
        /// What was attempted, on what.
        call: String,
        /// What the kernel says.
        source: rtnetlink::Error,
    },
    /// A map could not be read or written.
    #[error("{call}: {}", map_words(source))]
    Map {
        /// What was attempted, on what.
        call: String,
        /// What the kernel says.
        source: aya::maps::MapError,
    },
    /// Several things failed while cleaning up; all the rest was done.
    #[error("{}", several(.0))]
    Several(Vec<Error>),
}

impl Error {
    /// The stable exit code: see docs/errors.md.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(refused) => refused.exit_code(),
            Self::Usage(_) | Self::Limit(_) | Self::NotVeth { .. } => 2,
            Self::NoSuchInterface { .. }
            | Self::NotAttached { .. }
            | Self::NothingAttached
            | Self::NoneLeft
            | Self::NoHostSide { .. } => 3,
            Self::Full { .. }
            | Self::IsEndpoint { .. }
            | Self::OtherHook { .. }
            | Self::IngressQdisc { .. }
            | Self::PlaceTaken { .. }
            | Self::Busy { .. } => 4,
            Self::NotRoot(_) | Self::ClosedNamespace { .. } => 5,
            Self::TooFewFiles { .. }
            | Self::Kernel { .. }
            | Self::PrivateMounts { .. }
            | Self::Bpffs { .. }
            | Self::Load(_) => 6,
            Self::OpenDirectory { .. }
            | Self::OthersDirectory { .. }
            | Self::NotDirectory { .. }
            | Self::UnknownHook { .. }
            | Self::OtherPins { .. }
            | Self::Layout { .. }
            | Self::ForeignPin { .. }
            | Self::State { .. } => 7,
            Self::Io { source, .. } | Self::CannotMake { source, .. } => code_of(source),
            Self::UnreadableDevice { .. } | Self::Store { .. } | Self::Netlink { .. } | Self::Map { .. } => 1,
            Self::Several(errors) => errors.first().map_or(1, Self::exit_code),
        }
    }

    /// The refusal of a kernel without something that is needed.
    pub fn lacking(feature: &'static str, since: &'static str) -> Self {
        Self::Kernel { feature, since, instead: "dpctl is made for Linux 6.1 and later" }
    }

    /// An interface was named, or all were meant, where nothing is attached.
    pub fn nothing_attached(name: Option<&String>) -> Self {
        match name {
            Some(name) => Self::NotAttached { name: name.clone(), hint: Some("nothing is".to_owned()) },
            None => Self::NothingAttached,
        }
    }

    /// All of them as one, or none.
    pub fn join(errors: Vec<Self>) -> Result<()> {
        let mut errors = errors;
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Several(errors)),
        }
    }
}

fn code_of(error: &io::Error) -> u8 {
    let codes = [
        (io::ErrorKind::PermissionDenied, 5),
        (io::ErrorKind::StorageFull, 4),
        (io::ErrorKind::ReadOnlyFilesystem, 6),
    ];
    codes.iter().find(|(kind, _)| *kind == error.kind()).map_or(1, |(_, code)| *code)
}

/// Adds what was attempted to an I/O error.
pub(crate) trait Attempt<T> {
    /// `call` says what, on what.
    fn attempt(self, call: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, call: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { call: call(), source })
    }
}

impl<T> Attempt<T> for rustix::io::Result<T> {
    fn attempt(self, call: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|errno| Error::Io { call: call(), source: errno.into() })
    }
}

impl<T> Attempt<T> for std::result::Result<T, rtnetlink::Error> {
    fn attempt(self, call: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Netlink { call: call(), source })
    }
}

impl<T> Attempt<T> for std::result::Result<T, aya::maps::MapError> {
    fn attempt(self, call: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Map { call: call(), source })
    }
}

fn near_names(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; there is {}", names.join(", ")) }
}

fn or_hint(hint: Option<&str>) -> String {
    hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}

/// One line, whatever a thousand interfaces have met with.
fn several(errors: &[Error]) -> String {
    const FEW: usize = 4;
    let mut words: Vec<String> = errors.iter().take(FEW).map(ToString::to_string).collect();
    if errors.len() > FEW {
        words.push(format!("and {} more", errors.len() - FEW));
    }
    words.join("; ")
}

fn map_words(error: &aya::maps::MapError) -> String {
    if let aya::maps::MapError::SyscallError(call) = error {
        return plain(&call.io_error);
    }
    error.to_string()
}

fn netlink_words(error: &rtnetlink::Error) -> String {
    if let rtnetlink::Error::NetlinkError(message) = error {
        return plain(&message.to_io());
    }
    error.to_string()
}

/// The kernel's words without the number that the standard library adds.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
    let is_out_of_files = matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
    let advice = if is_out_of_files { "; allow more: ulimit -n 1024" } else { "" };
    words + advice
}
