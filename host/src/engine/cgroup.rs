//! Memory that the container's control group still permits.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the bytes that this process's control group, and those above it, still permit; `None` if
/// no limit is set. The system's cache of files counts as free: the kernel reclaims it when memory
/// runs short.
pub(crate) fn memory_left() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    left_in(Path::new("/sys/fs/cgroup"), &groups)
}

/// As [`memory_left`], with the group files below `root`; `groups` is the content of
/// `/proc/self/cgroup`.
fn left_in(root: &Path, groups: &str) -> Option<u64> {
    groups
        .lines()
        .filter_map(|line| hierarchy(root, line))
        .flat_map(|(top, group, names)| levels(&top, &group, names))
        .min()
}

/// File names of a version of control groups.
#[derive(Clone, Copy)]
struct Names {
    limit: &'static str,
    used: &'static str,
    /// Line of `memory.stat` that counts cached files that were not used lately.
    files: &'static str,
}

const V2: Names = Names { limit: "memory.max", used: "memory.current", files: "inactive_file" };
const V1: Names = Names {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    files: "total_inactive_file",
};

/// Returns the mount and the group of a line `ID:CONTROLLERS:PATH`, if it concerns memory.
fn hierarchy(root: &Path, line: &str) -> Option<(PathBuf, PathBuf, Names)> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let path = PathBuf::from(path.trim_start_matches('/'));
    if controllers.is_empty() {
        return Some((root.to_owned(), path, V2));
    }
    controllers
        .split(',')
        .any(|controller| controller == "memory")
        .then(|| (root.join("memory"), path, V1))
}

/// Returns the rest of each level from the group up to the mount. In a container the mount may be
/// the group itself, so that the path does not exist.
fn levels(top: &Path, group: &Path, names: Names) -> Vec<u64> {
    group.ancestors().filter_map(|level| left(&top.join(level), names)).collect()
}

fn left(folder: &Path, names: Names) -> Option<u64> {
    /// Version 1 represents "no limit" as the largest multiple of a page.
    const NO_LIMIT: u64 = 1 << 60;
    let number =
        |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit = number(names.limit).filter(|limit| *limit < NO_LIMIT)?;
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let files = stat
        .lines()
        .find_map(|line| line.strip_prefix(names.files)?.trim().parse::<u64>().ok())
        .unwrap_or(0);
    Some(limit.saturating_sub(number(names.used)?.saturating_sub(files)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, group: &str, names: Names, limit: &str, used: u64, files: u64) {
        let folder = root.join(group);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(names.limit), format!("{limit}\n")).unwrap();
        fs::write(folder.join(names.used), format!("{used}\n")).unwrap();
        fs::write(folder.join("memory.stat"), format!("anon 1\n{} {files}\nfile 2\n", names.files))
            .unwrap();
    }

    #[test]
    fn the_group_of_a_container_is_the_mount_itself() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "", V2, "1000", 300, 100);
        assert_eq!(left_in(root.path(), "0::/\n"), Some(800));
        assert_eq!(left_in(root.path(), "0::/docker/not-mounted-here\n"), Some(800));
    }

    #[test]
    fn the_tightest_level_counts() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "pod", V2, "500", 450, 0);
        write(root.path(), "pod/container", V2, "1000", 200, 0);
        assert_eq!(left_in(root.path(), "0::/pod/container\n"), Some(50));
        write(root.path(), "pod", V2, "max", 450, 0);
        assert_eq!(left_in(root.path(), "0::/pod/container\n"), Some(800));
        write(root.path(), "pod/container", V2, "1000", 2000, 0);
        assert_eq!(left_in(root.path(), "0::/pod/container\n"), Some(0));
    }

    #[test]
    fn the_first_version_is_read_too() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "memory/docker/a", V1, "1000", 300, 100);
        write(root.path(), "memory", V1, "9223372036854771712", 300, 100);
        let groups = "12:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n1:name=systemd:/docker/a\n";
        assert_eq!(left_in(root.path(), groups), Some(800));
        assert_eq!(left_in(root.path(), "4:memory:/docker/not-mounted-here\n"), None);
    }

    #[test]
    fn no_limit_is_none() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(left_in(root.path(), "0::/\n"), None);
        write(root.path(), "", V2, "max", 300, 100);
        assert_eq!(left_in(root.path(), "0::/\n"), None);
        assert_eq!(left_in(root.path(), ""), None);
    }
}
