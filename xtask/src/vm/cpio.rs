//! An archive in cpio's `newc` form, the one that the kernel unpacks at its start.

/// Files and folders, in the order in which they are made.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

/// Kinds of `st_mode`, with the rights that everything here has.
const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_755;

impl Archive {
    /// A folder; it must come before what is in it.
    pub(super) fn folder(&mut self, path: &str) {
        self.entry(path, FOLDER, &[], 2);
    }

    /// A file that may be run.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, FILE, content, 1);
    }

    /// The archive with its end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[], 1);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8], links: u32) {
        self.entries += 1;
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name = u32::try_from(path.len() + 1).unwrap_or(u32::MAX);
        // inode, mode, user, group, links, time, size, four numbers of devices, length of the name, checksum
        let header = [self.entries, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name, 0];
        self.bytes.extend_from_slice(b"070701");
        for number in header {
            self.bytes.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_header_a_name_and_the_content_each_aligned() {
        let mut archive = Archive::default();
        archive.file("init", b"abc");
        let bytes = archive.finish();
        let (entry, trailer) = bytes.split_at(110 + 6 + 4);
        assert_eq!(&entry[..6], b"070701");
        assert_eq!(&entry[14..22], b"000081ED", "the mode");
        assert_eq!(&entry[54..62], b"00000003", "the size");
        assert_eq!(&entry[94..102], b"00000005", "the name's length");
        assert_eq!(&entry[110..], b"init\0\0abc\0");
        assert!(trailer[110..].starts_with(b"TRAILER!!!\0"));
        assert_eq!(trailer.len() % 4, 0);
    }
}
