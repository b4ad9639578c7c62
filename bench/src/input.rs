//! Files of users, read whole: never more than a bound, whatever the file says of its size.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Result, bail};

/// The bytes of a file of so many megabytes at the most. A device or a pipe that never ends is
/// cut off there like a file that is too large.
pub(crate) fn read(path: &Path, most_mb: u64) -> Result<Vec<u8>> {
    let most = most_mb * 1_000_000;
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        bail!("more than {most_mb} MB");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_cut_off() {
        let error = read(Path::new("/dev/zero"), 1).expect_err("it never ends");
        assert_eq!(error.to_string(), "more than 1 MB");
    }

    #[test]
    fn a_file_is_read_whole_up_to_the_bound() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), vec![7; 1_000_000]).expect("written");
        assert_eq!(read(file.path(), 1).map(|bytes| bytes.len()).ok(), Some(1_000_000));
        std::fs::write(file.path(), vec![7; 1_000_001]).expect("written");
        assert!(read(file.path(), 1).is_err());
    }
}
