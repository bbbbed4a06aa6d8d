//! The rooms of `docs/architecture.md` are those of the code, and imports go down its tables.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;
use keynet_tests::root;

/// Rows of the table under a heading: the words in backquotes of its first column.
fn table(heading: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let after = page.split(&format!("## {heading}\n")).nth(1).expect("the heading");
    let rows = after.lines().skip_while(|line| !line.starts_with("| `"));
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| line.split('`').nth(1).expect("a name").to_owned())
        .collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// The code of a file without comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The rooms that `code` names by `crate::ROOM` or `crate::{ROOM…, ROOM…}`.
fn imported(code: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut rooms = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            rooms.insert(word(rest));
            continue;
        };
        let (mut depth, mut name) = (0, String::new());
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    rooms.insert(word(name.trim()));
                    name.clear();
                }
                c => name.push(c),
            }
        }
        rooms.insert(word(name.trim()));
    }
    rooms
}

fn room_of(file: &Path, source: &Path) -> String {
    let first = file.strip_prefix(source).unwrap().components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Imports that go up the table `rooms`, in words.
fn upwards(source: &Path, rooms: &[String]) -> Vec<String> {
    let level = |room: &str| rooms.iter().position(|other| other == room);
    let mut wrong = Vec::new();
    for file in sources(source) {
        let room = room_of(&file, source);
        let Some(own) = level(&room) else { continue };
        for other in imported(&code(&file)) {
            if level(&other).is_some_and(|other| other < own) {
                wrong.push(format!("{room} imports {other} ({})", file.display()));
            }
        }
    }
    wrong
}

#[test]
fn imports_between_rooms_go_down_the_tables() {
    for (heading, source) in [
        ("Rooms of keynet-host", "host/src"),
        ("Rooms of keynet-node", "host/crates/node/src"),
        ("Rooms of keynet-models", "host/crates/models/src"),
        ("Rooms of keynet-inference (the command line)", "cli/src"),
    ] {
        let (rooms, source) = (table(heading), root().join(source));
        let present: BTreeSet<String> = fs::read_dir(&source)
            .unwrap()
            .map(|entry| room_of(&entry.unwrap().path(), &source))
            .filter(|name| !["lib", "main", "bin", "fuzzing"].contains(&name.as_str()))
            .collect();
        assert_eq!(present, rooms.iter().cloned().collect(), "{heading}: the rooms");
        assert_eq!(upwards(&source, &rooms), [""; 0], "{heading}");
    }
}

#[test]
fn crates_depend_on_those_below_them() {
    let crates = table("Crates");
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let level = |name: &str| crates.iter().position(|other| other == name);
    let ours: BTreeSet<_> = metadata
        .packages
        .iter()
        .filter(|package| {
            let manifest = package.manifest_path.as_str();
            manifest.contains("/host/") || manifest.contains("/cli/")
        })
        .map(|package| package.name.to_string())
        .collect();
    assert_eq!(ours, crates.iter().cloned().collect(), "the table of crates");
    for package in metadata.packages.iter().filter(|package| ours.contains(package.name.as_str())) {
        let own = level(package.name.as_str()).unwrap();
        for dependency in &package.dependencies {
            let other = level(&dependency.name);
            assert!(
                other.is_none_or(|other| other > own),
                "{} depends on {}",
                package.name,
                dependency.name
            );
        }
    }
}

#[test]
fn the_artifact_crate_is_built_without_wasmtime_and_tonic() {
    let tree = std::process::Command::new("cargo")
        .args([
            "tree",
            "--locked",
            "--offline",
            "-p",
            "keynet-artifact",
            "--edges",
            "normal,build,dev",
        ])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    for heavy in ["wasmtime", "tonic", "rten", "object_store"] {
        let found = tree.lines().find(|line| line.split(' ').next() == Some(heavy));
        assert_eq!(found, None, "{heavy}");
    }
}

#[test]
fn the_map_of_the_readme_names_folders_that_exist() {
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let map = page.split("## Where the parts are").nth(1).expect("the map");
    let folders: Vec<_> = map
        .lines()
        .filter_map(|line| line.strip_prefix("| [")?.split("](").nth(1)?.split(')').next())
        .collect();
    assert!(folders.len() >= 6, "{folders:?}");
    for folder in folders {
        assert!(root().join(folder).is_dir(), "{folder}");
    }
}

#[test]
fn files_are_short() {
    let folders = ["host", "cli", "tests", "guest-sdk/rust", "guest-sdk/imaging"];
    let lengths: Vec<(usize, PathBuf)> = folders
        .iter()
        .map(|folder| root().join(folder))
        .filter(|folder| folder.is_dir())
        .flat_map(|folder| sources(&folder))
        .filter(|path| !path.components().any(|part| part.as_os_str() == "target"))
        .filter(|path| !path.ends_with("guest-sdk/rust/src/host/component/bindings.rs")) // generated
        .map(|path| (fs::read_to_string(&path).unwrap().lines().count(), path))
        .collect();
    let long: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > 600).collect();
    assert!(long.is_empty(), "look for the second idea in these: {long:?}");
}

/// The levels of a page's headings, in order.
fn headings(page: &str) -> Vec<usize> {
    let mut in_code = false;
    let mut levels = Vec::new();
    for line in page.lines() {
        in_code ^= line.starts_with("```");
        if !in_code && line.starts_with('#') {
            levels.push(line.bytes().take_while(|byte| *byte == b'#').count());
        }
    }
    levels
}

/// The code blocks of a page, without comments and trailing spaces.
fn code_blocks(page: &str) -> Vec<String> {
    page.split("\n```").skip(1).step_by(2).map(uncommented).collect()
}

fn uncommented(block: &str) -> String {
    let line = |line: &str| -> String {
        if line.trim_start().starts_with("///") {
            return String::new();
        }
        line.split(" # ").next().unwrap_or_default().trim_end().to_owned()
    };
    block.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The targets of a page's links, in order.
fn links(page: &str) -> BTreeSet<String> {
    let ends = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    ends.filter(|link| !link.starts_with("README")).map(str::to_owned).collect()
}

#[test]
fn the_korean_page_has_the_headings_the_code_and_the_links_of_the_english_one() {
    let page = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let (english, korean) = (page("README.md"), page("README.ko.md"));
    assert_eq!(headings(&korean), headings(&english));
    assert_eq!(code_blocks(&korean), code_blocks(&english));
    assert_eq!(links(&korean), links(&english));
    let rows = |page: &str| page.lines().filter(|line| line.starts_with('|')).count();
    assert_eq!(rows(&korean), rows(&english), "rows of tables");
}

#[test]
fn the_parity_matrix_of_the_page_on_languages_is_up_to_date() {
    let checked = std::process::Command::new(root().join("tests/parity-matrix"))
        .arg("--check")
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
