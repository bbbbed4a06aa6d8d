//! Facts about a Linux program: its loader, and the shared libraries that it needs.
//!
//! Read from its headers, by the crate that reads wasmtime's own files; nothing is run. (The
//! system's `ld.so --list` would report them too, but it prefers libraries for this machine's
//! processor, which another machine may not have.)

use object::LittleEndian;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};

type Header = FileHeader64<LittleEndian>;
type Segment = ProgramHeader64<LittleEndian>;

/// Requirements of a program or library.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Processor that it was built for, as an ELF machine number.
    pub machine: u16,
    /// Loader that starts it (`PT_INTERP`); `None` for a library or a statically linked program.
    pub loader: Option<String>,
    /// Names of shared libraries (`DT_NEEDED`), in the file's order.
    pub libraries: Vec<String>,
    /// Folders to search for them first (`DT_RUNPATH` or `DT_RPATH`), as written.
    pub folders: Vec<String>,
}

/// Reads the requirements of `file`.
///
/// # Errors
/// The file is not a 64-bit little-endian ELF file, or is damaged; the error is the reason.
pub fn needs(file: &[u8]) -> Result<Needs, String> {
    let (header, segments) = headers(file)?;
    let mut needs = Needs { machine: header.e_machine(LittleEndian), ..Needs::default() };
    for segment in segments {
        if let Some(loader) = segment.interpreter(LittleEndian, file).map_err(damaged)? {
            needs.loader = Some(text(loader)?);
        }
        if let Some(entries) = segment.dynamic(LittleEndian, file).map_err(damaged)? {
            let entries: Vec<_> = entries
                .iter()
                .map(|entry| (entry.tag(LittleEndian), entry.val(LittleEndian)))
                .collect();
            let entries = entries.split(|(tag, _)| *tag == elf::DT_NULL).next().unwrap_or_default();
            let names = Names::find(file, segments, entries)?;
            for (tag, at) in entries {
                match *tag {
                    elf::DT_NEEDED => needs.libraries.push(names.at(*at)?),
                    elf::DT_RUNPATH | elf::DT_RPATH => {
                        needs.folders.extend(names.at(*at)?.split(':').map(str::to_owned))
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(needs)
}

/// Returns the program without the parts that are not loaded: symbols, debugging information, and
/// the section headers. The loaded bytes do not change.
///
/// # Errors
/// As [`needs`].
pub fn strip(mut file: Vec<u8>) -> Result<Vec<u8>, String> {
    let (header, segments) = headers(&file)?;
    let ends = segments
        .iter()
        .map(|segment| segment.file_range(LittleEndian))
        .map(|(from, size)| from.saturating_add(size));
    let table = header.e_phoff.get(LittleEndian).saturating_add(size_of_val(segments) as u64);
    let end = usize::try_from(ends.max().unwrap_or(0).max(table))
        .map_err(|_| "it is damaged: a segment ends beyond it".to_owned())?;
    if end > file.len() {
        return Err("it is damaged: a segment ends beyond it".to_owned());
    }
    file.truncate(end);
    for (at, size) in SECTION_FIELDS {
        file.get_mut(at..at + size).ok_or("it is damaged: its header is cut")?.fill(0);
    }
    Ok(file)
}

/// Offsets and lengths of `e_shoff`, and of `e_shnum` with `e_shstrndx`, in the header of a 64-bit
/// file.
const SECTION_FIELDS: [(usize, usize); 2] = [(0x28, 8), (0x3c, 4)];

fn headers(file: &[u8]) -> Result<(&Header, &[Segment]), String> {
    let header = Header::parse(file)
        .map_err(|error| format!("it is no program for 64-bit Linux: {error}"))?;
    header
        .endian()
        .map_err(|error| format!("it is for processors of another byte order: {error}"))?;
    Ok((header, header.program_headers(LittleEndian, file).map_err(damaged)?))
}

/// String table that the dynamic entries refer to (`DT_STRTAB`).
struct Names<'file>(&'file [u8]);

impl<'file> Names<'file> {
    fn find(
        file: &'file [u8],
        segments: &[Segment],
        entries: &[(i64, u64)],
    ) -> Result<Self, String> {
        let value =
            |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map_or(0, |(_, value)| *value);
        let (address, size) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ));
        let loaded = segments.iter().filter(|segment| segment.p_type(LittleEndian) == elf::PT_LOAD);
        let found = loaded
            .filter_map(|segment| {
                segment.data_range(LittleEndian, file, address, size).ok().flatten()
            })
            .next();
        found.map(Self).ok_or_else(|| "it is damaged: its table of names is missing".to_owned())
    }

    fn at(&self, at: u64) -> Result<String, String> {
        let name = usize::try_from(at)
            .ok()
            .and_then(|at| self.0.get(at..))
            .and_then(|rest| rest.split(|byte| *byte == 0).next());
        text(name.ok_or("it is damaged: a name lies outside its table")?)
    }
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "it is damaged: a name is not text".to_owned())
}

fn damaged(error: object::read::Error) -> String {
    format!("it is damaged: {error}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    fn this_test() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    /// `readelf` would report the same; the system's loader is present everywhere.
    #[test]
    fn a_programs_needs_are_what_the_loader_finds() {
        let needs = needs(&this_test()).unwrap();
        let loader = needs.loader.unwrap();
        let listed = Command::new(loader)
            .arg("--list")
            .arg(std::env::current_exe().unwrap())
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(!needs.libraries.is_empty());
        for library in needs.libraries {
            assert!(listed.contains(&library), "{library}: {listed}");
        }
    }

    #[test]
    fn a_stripped_program_is_smaller_and_runs() {
        let whole = this_test();
        let stripped = strip(whole.clone()).unwrap();
        assert!(stripped.len() < whole.len());
        assert_eq!(needs(&stripped).unwrap(), needs(&whole).unwrap());
        assert_eq!(
            strip(stripped.clone()).unwrap(),
            stripped,
            "there is nothing left to take away"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stripped");
        std::fs::write(&path, stripped).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let ran = Command::new(path).args(["--list", "--format", "terse"]).output().unwrap();
        assert!(
            ran.status.success()
                && String::from_utf8_lossy(&ran.stdout).contains("a_stripped_program"),
            "{ran:?}"
        );
    }

    #[test]
    fn what_is_no_program_is_an_error_and_damage_is_no_panic() {
        assert!(needs(b"#!/bin/sh\n").unwrap_err().contains("no program"));
        let whole = std::fs::read("/bin/true").unwrap();
        for at in 0..whole.len().min(4096) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            let _ = (needs(&damaged), strip(damaged));
            let _ = (needs(&whole[..at]), strip(whole[..at].to_vec()));
        }
    }
}
