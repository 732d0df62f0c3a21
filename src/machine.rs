//! What the machine has.

use std::fs;

/// What is taken to be there where the system does not say.
const UNKNOWN: u64 = 4 << 30;

/// Bytes of memory of the machine, or what the process's control group allows if that is less.
pub fn memory() -> u64 {
    let installed = fs::read_to_string("/proc/meminfo").ok().and_then(|table| total(&table));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits =
        groups.lines().flat_map(limit_files).filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    limits.chain(installed).min().unwrap_or(UNKNOWN)
}

/// The line `MemTotal: 24000000 kB` of /proc/meminfo, in bytes.
fn total(table: &str) -> Option<u64> {
    let line = table.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// The files that limit the memory of the control group on a line of /proc/self/cgroup, and of those above it.
fn limit_files(line: &str) -> Vec<String> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { return Vec::new() };
    let (folder, file) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        names if names.split(',').any(|name| name == "memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return Vec::new(),
    };
    let parents = std::iter::successors(Some(group.trim_end_matches('/')), |group| Some(group.rsplit_once('/')?.0));
    parents.map(|group| format!("{folder}{group}/{file}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read() {
        assert_eq!(total("MemTotal:       24000000 kB\nMemFree: 1 kB\n"), Some(24_000_000 << 10));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn a_group_and_those_above_it_limit() {
        let files = ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"];
        assert_eq!(limit_files("0::/a/b"), files);
        assert_eq!(limit_files("0::/"), files[2..]);
        assert_eq!(limit_files("7:cpu,memory:/x")[0], "/sys/fs/cgroup/memory/x/memory.limit_in_bytes");
        assert!(limit_files("3:cpuset:/").is_empty() && limit_files("").is_empty());
    }

    #[test]
    fn there_is_memory() {
        assert!(memory() > 16 << 20);
    }
}
