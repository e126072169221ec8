//! How full the disk is on which the network keeps its data: what doesn't fit is not stored.

use std::path::Path;

use rustix::fs::statvfs;

/// A file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Disk {
    /// What there is for everybody, in bytes.
    pub(super) bytes: u64,
    /// What is free for who isn't root, in bytes.
    pub(super) free_bytes: u64,
}

impl Disk {
    /// That of this folder; nothing where it can't be looked at.
    pub(super) fn of(folder: &Path) -> Self {
        let Ok(found) = statvfs(folder) else { return Self::default() };
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        // What only root may take is as good as taken, and df(1) leaves it out too.
        let used = found.f_blocks.saturating_sub(found.f_bfree);
        Self { bytes: bytes(used.saturating_add(found.f_bavail)), free_bytes: bytes(found.f_bavail) }
    }

    /// What is used, in thousandths.
    pub(super) fn used_permille(&self) -> u32 {
        let used = self.bytes.saturating_sub(self.free_bytes);
        u32::try_from((used / 1_000).checked_div(self.bytes / 1_000_000).unwrap_or(0)).unwrap_or(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_as_full_as_it_is() {
        let used = |bytes, free_bytes| Disk { bytes, free_bytes }.used_permille();
        assert_eq!(used(100_000_000_000, 15_000_000_000), 850);
        assert_eq!(used(100_000_000_000, 0), 1_000);
        assert_eq!(used(0, 0), 0);
        let here = Disk::of(Path::new("."));
        assert!(here.bytes > here.free_bytes && (1..=1_000).contains(&here.used_permille()), "{here:?}");
        assert_eq!(Disk::of(Path::new("/nowhere/at/all")), Disk::default());
    }
}
