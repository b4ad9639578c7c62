//! The programs and maps in the kernel: load, pin, and open what is pinned.
//!
//! Pins lie in a directory named after the layout's version. A new set is pinned in a staging
//! directory and renamed when it is whole, so what stands under the final name is complete.
//! Every pin is checked to be what its name says before it is used.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use aya::EbpfLoader;
use aya::programs::{ProgramInfo, SchedClassifier};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use dataplane_common::direction::Direction;
use dataplane_common::layout::LAYOUT_VERSION;

use crate::attachment::Role;
use crate::error::{Attempt, Error, Result};
use crate::instance::Instance;
use crate::pin::{Kind, open_own_pin};
use crate::private_dir;
use crate::tables::{self, Tables};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/dataplane-ebpf"));

/// Programs and maps of one instance, open.
#[derive(Debug)]
pub struct Datapath {
    programs: [[Program; 2]; 2],
    /// The maps.
    pub tables: Tables,
}

#[derive(Debug)]
struct Program {
    fd: OwnedFd,
    id: u32,
}

impl Datapath {
    /// Opens the pins; loads and pins the programs if there are none.
    pub fn open_or_load(instance: &Instance) -> Result<Self> {
        if let Some(datapath) = Self::open(instance)? {
            return Ok(datapath);
        }
        let staging = stage(instance, Staging::Load)?;
        let loaded = load_into(&staging, None)
            .and_then(|()| Self::open_in(&staging).map_err(|error| Error::Load(error.to_string())))
            .and_then(|_as_meant| publish(instance, &staging));
        loaded.map_err(|error| abandon(&staging, error))?;
        Self::open(instance)?.ok_or_else(|| Error::Load("the pins vanished while they were made".to_owned()))
    }

    /// Opens the pins; `None` if there are none. Refuses pins of another layout and pins that
    /// are not what their names say.
    pub fn open(instance: &Instance) -> Result<Option<Self>> {
        let dir = layout_dir(instance);
        let other = other_layouts(instance)?.iter().find_map(|path| layout_of(path));
        match other {
            // Beside ours: made by a later dpctl, since one of an earlier layout is cleared away.
            Some(found) => Err(Error::Layout { path: instance.pins.clone(), found, wanted: LAYOUT_VERSION }),
            None if dir.exists() => Self::open_in(&dir).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn open_in(dir: &Path) -> Result<Self> {
        let open = |role: Role| -> Result<[Program; 2]> {
            let [from, to] = Direction::ALL.map(|direction| open_program(dir, role.program(direction)));
            Ok([from?, to?])
        };
        let [plain, endpoint] = Role::ALL.map(open);
        Ok(Self { programs: [plain?, endpoint?], tables: Tables::open(dir)? })
    }

    /// The program of one direction of what is attached as this.
    pub fn program(&self, role: Role, direction: Direction) -> BorrowedFd<'_> {
        self.programs[role as usize][direction.index()].fd.as_fd()
    }

    /// Its id.
    pub fn program_id(&self, role: Role, direction: Direction) -> u32 {
        self.programs[role as usize][direction.index()].id
    }
}

/// The names of all programs, which are those of their pins.
fn program_names() -> impl Iterator<Item = &'static str> {
    Role::ALL.into_iter().flat_map(|role| Direction::ALL.map(|direction| role.program(direction)))
}

/// Where the pins of this layout lie.
pub fn layout_dir(instance: &Instance) -> PathBuf {
    instance.pins.join(format!("layout_{LAYOUT_VERSION}"))
}

/// What a staging directory is for: which one is found after a kill tells what was going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staging {
    /// A first load; nothing uses it yet, so it is thrown away.
    Load,
    /// An upgrade; some hooks may run it already, so the upgrade is done again.
    Upgrade,
}

impl Staging {
    /// Its directory.
    pub fn dir(self, instance: &Instance) -> PathBuf {
        instance.pins.join(match self {
            Self::Load => "loading",
            Self::Upgrade => "upgrading",
        })
    }
}

/// An empty staging directory.
pub fn stage(instance: &Instance, staging: Staging) -> Result<PathBuf> {
    let dir = staging.dir(instance);
    remove_pins(&dir)?;
    private_dir::make(&dir)?;
    Ok(dir)
}

/// Loads the embedded object and pins it in `dir`; with `reuse`, on the maps pinned there.
pub fn load_into(dir: &Path, reuse: Option<&Path>) -> Result<()> {
    if OBJECT.is_empty() {
        return Err(Error::Load(
            "this dpctl was built without the eBPF object; run: cargo xtask build".to_owned(),
        ));
    }
    let failed = |error: &dyn std::error::Error| Error::Load(one_line(error));
    let mut loader = EbpfLoader::new();
    for name in tables::NAMES {
        loader.map_pin_path(name, reuse.unwrap_or(dir).join(name));
    }
    let mut ebpf = loader.load(OBJECT).map_err(|error| failed(&error))?;
    for name in program_names() {
        let program = ebpf.program_mut(name).ok_or_else(|| {
            Error::Load(format!("the embedded object has no program {name}; run: cargo xtask build"))
        })?;
        let program: &mut SchedClassifier = program.try_into().map_err(|error| failed(&error))?;
        program.load().map_err(|error| failed(&error))?;
        program.pin(dir.join(name)).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Gives a staged set its final name, in one step: what stood there is in the staging directory
/// then, and removed with it.
pub fn publish(instance: &Instance, staging: &Path) -> Result<()> {
    let dir = layout_dir(instance);
    let call = || format!("rename {} to {}", staging.display(), dir.display());
    if !dir.exists() {
        return fs::rename(staging, &dir).attempt(call);
    }
    renameat_with(CWD, staging, CWD, &dir, RenameFlags::EXCHANGE).attempt(call)?;
    // Done, whatever becomes of the old set; the next command finds what is left of it.
    if let Err(error) = remove_pins(staging) {
        tracing::debug!("{error}");
    }
    Ok(())
}

/// Throws a staged set away because of an error, and gives that back.
pub fn abandon(staging: &Path, error: Error) -> Error {
    match remove_pins(staging) {
        Ok(()) => error,
        Err(more) => Error::Several(vec![error, more]),
    }
}

/// Layouts other than ours that are pinned here.
pub fn other_layouts(instance: &Instance) -> Result<Vec<PathBuf>> {
    let mut others = private_dir::entries(&instance.pins)?;
    others.retain(|path| *path != layout_dir(instance) && layout_of(path).is_some());
    Ok(others)
}

/// Removes the layouts that an upgrade to ours has left, for it was killed at its very end.
pub fn remove_earlier_layouts(instance: &Instance) -> Result<()> {
    if !layout_dir(instance).exists() {
        return Ok(());
    }
    let earlier = |path: &PathBuf| {
        layout_of(path)
            .and_then(|version| version.parse().ok())
            .is_some_and(|version: u32| version < LAYOUT_VERSION)
    };
    other_layouts(instance)?.iter().filter(|path| earlier(path)).try_for_each(|path| remove_pins(path))
}

fn layout_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.strip_prefix("layout_")?.to_owned())
}

/// Ids of the programs that are pinned here, of any layout. What is no program of ours is passed
/// over; one that cannot be looked at is an error, since its filters would stay.
pub fn pinned_programs(instance: &Instance) -> Result<HashSet<u32>> {
    let mut dirs = vec![layout_dir(instance)];
    dirs.extend(other_layouts(instance)?);
    dirs.extend([Staging::Load, Staging::Upgrade].map(|staging| staging.dir(instance)));
    let mut ids = HashSet::new();
    for pin in dirs.iter().flat_map(|dir| program_names().map(|name| dir.join(name))) {
        match open_own_pin(&pin, Kind::Program, "a program") {
            Ok(_program) => {
                let info = ProgramInfo::from_pin(&pin).map_err(|error| Error::Load(error.to_string()))?;
                ids.insert(info.id());
            }
            Err(Error::Bpffs { .. } | Error::ForeignPin { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(ids)
}

/// Removes a directory of pins. What is not there is fine.
pub fn remove_pins(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).attempt(|| format!("remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

fn open_program(dir: &Path, program: &str) -> Result<Program> {
    let path = &dir.join(program);
    let wanted = format!("tc program {program}");
    let fd = open_own_pin(path, Kind::Program, &wanted)?;
    let foreign = |found: String| Error::ForeignPin { path: path.to_owned(), found, wanted: wanted.clone() };
    let info =
        ProgramInfo::from_pin(path).map_err(|_not_a_program| foreign("another kind of object".to_owned()))?;
    let name = String::from_utf8_lossy(info.name()).into_owned();
    // BPF_PROG_TYPE_SCHED_CLS
    if info.program_type() as u32 != 3 || name != program {
        return Err(foreign(format!("program {name}")));
    }
    Ok(Program { fd, id: info.id() })
}

/// The first line of the last cause is what matters; a verifier log is for `DPCTL_LOG=debug`.
fn one_line(error: &dyn std::error::Error) -> String {
    tracing::debug!("{error:?}");
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.split(" (os error").next().unwrap_or(line).to_owned()
}
