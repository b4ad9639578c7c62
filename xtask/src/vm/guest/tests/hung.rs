//! A real guest that hangs: a kernel, booted, whose first process never comes to its end.

use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::packages::{self, Purpose};
use crate::toolchain::Toolchain;
use crate::vm::kernels::Choice;
use crate::vm::{fetch, initrd, refuse_unless_able};

/// What the guest does for tests: a word on its console, two on the port of the tests, and no more.
const HANG: &str = "echo 'the console of a guest that hangs' >/dev/console
echo begun
printf 'test that::hangs ... '
exec sleep infinity
";

/// Silence as long as a boot takes where all CPUs are busy, since a guest says nothing until then.
const PATIENCE: Patience = Patience { silence: Duration::from_secs(30), whole: Duration::from_mins(3) };

#[test]
fn a_guest_that_hangs_is_ended_and_its_console_is_shown() {
    let kernel = match kernel() {
        Ok(kernel) => kernel,
        Err(reason) => {
            let name = "vm::guest::tests::hung::a_guest_that_hangs_is_ended_and_its_console_is_shown";
            // Not println!, which libtest keeps to itself where a test passes.
            writeln!(io::stdout(), "skipped: {name}: {reason:#}").expect("standard output is open");
            return;
        }
    };
    let initrd = folder().join(format!("{}.initrd", kernel.release));
    initrd::write(&initrd, &kernel, HANG).expect("an initrd");
    let (mut out, mut err, mut running) = (Vec::new(), Vec::new(), 0);
    let begin = Instant::now();
    let booted = boot(&kernel, &initrd, PATIENCE, &mut out, &mut err, |line| {
        assert_eq!(line, "begun");
        running = emulators(&console_of(&kernel));
    });
    let error = format!("{:#}", booted.expect_err("it hangs"));
    assert_eq!(running, 1, "premise: the guest ran, and was found by its console: {error}");
    let (said, shown) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    assert_eq!(said, "begun\ntest that::hangs ... ");
    assert!(
        error.contains("it hangs: not a word for 30 s, the last being \"test that::hangs ...\""),
        "{error}"
    );
    assert!(error.contains(&workspace::relative(&console_of(&kernel))), "{error}");
    assert!(shown.contains("the console of a guest that hangs"), "shown: {shown:?}");
    assert_eq!(emulators(&console_of(&kernel)), 0, "QEMU is gone");
    assert!(begin.elapsed() < PATIENCE.whole, "by the silence, not by the whole");
}

/// Debian's kernel 6.1, with files of its own for what a guest leaves; or why there is none.
fn kernel() -> Result<Unpacked> {
    if std::env::var_os("DATAPLANE_FULL").is_none_or(|value| value != "1") {
        bail!("only with DATAPLANE_FULL=1");
    }
    refuse_unless_able()?;
    if let Some(tool) = packages::missing(&[Purpose::Vm], Toolchain::installed(), packages::exists).first() {
        bail!("no {}", tool.name);
    }
    let kernel = Choice::V6_1.kernels().remove(0);
    let unpacked = fetch::kernel(kernel)?;
    Ok(Unpacked { release: format!("{}-hung", unpacked.release), ..unpacked })
}

/// How many processes have `console` in their command line.
fn emulators(console: &Path) -> usize {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let console = console.as_os_str().as_bytes();
    lines.filter(|line| line.windows(console.len()).any(|part| part == console)).count()
}
