//! Puts the SDKs with the contract, and the templates of new projects, into the binary.
//!
//! `OUT_DIR/embedded.rs` lists the files by name, so that the same sources make the same binary.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use toml::{Table, Value};

/// Files by their path below the folder they are unpacked to, with `/`.
type Files = BTreeMap<String, Vec<u8>>;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// The packages of the SDK, where they are in the repository and where they are unpacked.
const PACKAGES: &[&str] = &["guest-sdk/rust", "guest-sdk/rust/macros", "guest-sdk/imaging"];

/// The imaging library for other languages, beside its crate: a workspace of its own.
const IMAGING: &str = "guest-sdk/imaging";

/// Names the built component of the imaging library, to be carried.
const IMAGING_COMPONENT: &str = "KEYNET_IMAGING_COMPONENT";

fn main() -> Result<()> {
    let crate_folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let repository = crate_folder.join("..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let list = format!(
        "/// The contract.\npub static CONTRACT: &[File] = &[{}];\n\
         /// The Rust SDK as a workspace of its own.\npub static RUST_SDK: &[File] = &[{}];\n\
         /// The Python SDK, the contract, and what builds components and the packages with native \
         code.\npub static PYTHON_SDK: &[File] = &[{}];\n\
         /// The SDK for Go, a module.\npub static GO_SDK: &[File] = &[{}];\n\
         /// The SDK for C and C++.\npub static C_SDK: &[File] = &[{}];\n\
         /// The templates of new projects, a folder for each language.\npub static TEMPLATES: \
         &[File] = &[{}];\n\
         /// The SDK for TypeScript and JavaScript, the contract, and what builds components.\n\
         pub static JAVASCRIPT_SDK: &[File] = &[{}];\n",
        copy(&folder(&repository.join("wit"), "")?, &out.join("contract"))?,
        copy(&rust_sdk(&repository)?, &out.join("rust-sdk"))?,
        copy(&python_sdk(&repository)?, &out.join("python-sdk"))?,
        copy(&go_sdk(&repository)?, &out.join("go-sdk"))?,
        copy(&c_sdk(&repository)?, &out.join("c-sdk"))?,
        copy(&folder(&crate_folder.join("templates"), "")?, &out.join("templates"))?,
        copy(&javascript_sdk(&repository)?, &out.join("javascript-sdk"))?,
    );
    let list = list + &imaging_component(&out)?;
    fs::write(out.join("embedded.rs"), list)?;
    Ok(())
}

fn rust_sdk(repository: &Path) -> Result<Files> {
    let mut files = Files::new();
    for package in PACKAGES {
        let root = repository.join(package);
        files.insert(format!("{package}/Cargo.toml"), read(&root.join("Cargo.toml"))?);
        files.extend(folder(&root.join("src"), &format!("{package}/src/"))?);
        if root.join("README.md").exists() {
            files.insert(format!("{package}/README.md"), read(&root.join("README.md"))?);
        }
    }
    for part in ["fonts", "wit", "component"] {
        files.extend(folder(&repository.join(IMAGING).join(part), &format!("{IMAGING}/{part}/"))?);
    }
    files.extend(folder(&repository.join("wit"), "guest-sdk/rust/wit/")?);
    files.insert("LICENSE".to_owned(), read(&repository.join("LICENSE"))?);
    files.insert("Cargo.toml".to_owned(), workspace(repository, &files)?.into_bytes());
    Ok(files)
}

/// The component of the imaging library, if the environment names one.
fn imaging_component(out: &Path) -> Result<String> {
    println!("cargo::rerun-if-env-changed={IMAGING_COMPONENT}");
    let component = match env::var_os(IMAGING_COMPONENT).filter(|path| !path.is_empty()) {
        None => "None",
        Some(path) => {
            let bytes = read(Path::new(&path))?;
            if !bytes.starts_with(b"\0asm\x0d\0\x01\0") {
                return Err(format!(
                    "{IMAGING_COMPONENT} names {}, which is no component: \
                     guest-sdk/imaging/component/build makes it",
                    path.display()
                )
                .into());
            }
            fs::write(out.join("imaging.wasm"), bytes)?;
            r#"Some(include_bytes!(concat!(env!("OUT_DIR"), "/imaging.wasm")))"#
        }
    };
    Ok(format!(
        "/// The component of the imaging library, if it was there when this was built.\n\
         pub static IMAGING_COMPONENT: Option<&[u8]> = {component};\n"
    ))
}

fn python_sdk(repository: &Path) -> Result<Files> {
    let root = repository.join("guest-sdk/python");
    let mut files = Files::new();
    for part in ["src", "toolchain", "wheels/sources", "wheels/steps"] {
        files.extend(folder(&root.join(part), &format!("{part}/"))?);
    }
    for file in ["pyproject.toml", "README.md", "wheels/build"] {
        files.insert(file.to_owned(), read(&root.join(file))?);
    }
    files.extend(folder(&repository.join("wit"), "wit/")?);
    files.insert("LICENSE".to_owned(), read(&repository.join("LICENSE"))?);
    Ok(files)
}

fn go_sdk(repository: &Path) -> Result<Files> {
    let root = repository.join("guest-sdk/go");
    let mut files = parts(&root, &["internal", "keynet", "keynettest"], &["go.mod", "README.md"])?;
    files.retain(|name, _| !name.ends_with("_test.go") && !name.ends_with("/generate"));
    licensed(repository, files)
}

fn c_sdk(repository: &Path) -> Result<Files> {
    let root = repository.join("guest-sdk/c");
    let folders = ["include", "src", "bindings", "testing", "vendor"];
    licensed(repository, parts(&root, &folders, &["CMakeLists.txt", "README.md"])?)
}

fn javascript_sdk(repository: &Path) -> Result<Files> {
    let root = repository.join("guest-sdk/js");
    let files = ["package.json", "README.md", "files.d.ts"];
    let mut files = parts(&root, &["dist", "toolchain", "wit"], &files)?;
    files.extend(folder(&repository.join("wit"), "wit/deps/keynet-inference/")?);
    let imaging = repository.join("guest-sdk/imaging/wit");
    files.extend(folder(&imaging, "wit/deps/keynet-imaging/")?);
    licensed(repository, files)
}

/// Reads folders and files of an SDK.
fn parts(root: &Path, folders: &[&str], names: &[&str]) -> Result<Files> {
    let mut files = Files::new();
    for part in folders {
        files.extend(folder(&root.join(part), &format!("{part}/"))?);
    }
    for name in names {
        files.insert((*name).to_owned(), read(&root.join(name))?);
    }
    Ok(files)
}

fn licensed(repository: &Path, mut files: Files) -> Result<Files> {
    files.insert("LICENSE".to_owned(), read(&repository.join("LICENSE"))?);
    Ok(files)
}

/// The manifest of the workspace that the unpacked packages inherit from: what they take from ours,
/// and silence in users' builds.
fn workspace(repository: &Path, files: &Files) -> Result<String> {
    let ours: Table = String::from_utf8(read(&repository.join("Cargo.toml"))?)?.parse()?;
    let ours = table(ours.get("workspace"))?;
    let all = table(ours.get("dependencies"))?;
    let mut dependencies = Table::new();
    for package in PACKAGES {
        let manifest = files.get(&format!("{package}/Cargo.toml")).ok_or("no manifest")?;
        let manifest: Value = Value::Table(std::str::from_utf8(manifest)?.parse()?);
        for name in inherited(&manifest) {
            let dependency = all.get(name).ok_or_else(|| {
                format!("{package} inherits {name}, which the workspace does not have")
            })?;
            dependencies.insert(name.clone(), dependency.clone());
        }
    }
    let mut workspace = Table::new();
    workspace.insert("resolver".to_owned(), "3".into());
    workspace.insert("members".to_owned(), PACKAGES.to_vec().into());
    workspace.insert("package".to_owned(), table(ours.get("package"))?.clone().into());
    workspace.insert("dependencies".to_owned(), dependencies.into());
    workspace.insert("lints".to_owned(), "rust.warnings = 'allow'".parse::<Table>()?.into());
    Ok(toml::to_string(&Table::from_iter([("workspace".to_owned(), Value::Table(workspace))]))?)
}

/// The dependencies, in any table of a manifest, that are inherited.
fn inherited(manifest: &Value) -> Vec<&String> {
    let Some(table) = manifest.as_table() else { return Vec::new() };
    let of_kind = |kind: &str| table.get(kind).and_then(Value::as_table).into_iter().flatten();
    let here =
        ["dependencies", "dev-dependencies", "build-dependencies"].into_iter().flat_map(of_kind);
    let here =
        here.filter(|(_, dependency)| dependency.get("workspace").is_some()).map(|(name, _)| name);
    here.chain(of_kind("target").flat_map(|(_, target)| inherited(target))).collect()
}

fn table(value: Option<&Value>) -> Result<&Table> {
    value.and_then(Value::as_table).ok_or_else(|| {
        "the workspace's Cargo.toml has no [workspace.package] or [workspace.dependencies]".into()
    })
}

/// Every file below `path`, but for build products and what editors and systems hide.
fn folder(path: &Path, prefix: &str) -> Result<Files> {
    println!("cargo::rerun-if-changed={}", path.display());
    let mut files = Files::new();
    for entry in fs::read_dir(path).map_err(|error| missing(path, &error))? {
        let entry = entry?.path();
        let name = entry
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or("a file name that is not UTF-8")?
            .to_owned();
        if matches!(name.as_str(), "target" | "__pycache__" | "node_modules")
            || (name.starts_with('.') && name != ".gitignore")
            || name.ends_with('~')
        {
            continue;
        }
        if entry.is_dir() {
            files.extend(folder(&entry, &format!("{prefix}{name}/"))?);
        } else {
            files.insert(format!("{prefix}{name}"), read(&entry)?);
        }
    }
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read(path).map_err(|error| missing(path, &error))
}

fn missing(path: &Path, error: &std::io::Error) -> Box<dyn Error> {
    format!(
        "{}: {error}. keynet-inference carries the sources of the SDKs (guest-sdk/rust, \
            guest-sdk/python, guest-sdk/js, guest-sdk/go, guest-sdk/c), the contract (wit) and its \
            templates (cli/templates): build it inside a clone of its repository",
        path.display()
    )
    .into()
}

/// Copies `files` to `to`, where nothing changes them while the crate is compiled, and lists them
/// as Rust.
fn copy(files: &Files, to: &Path) -> Result<String> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let mut list = String::new();
    for (name, bytes) in files {
        let path = to.join(name);
        fs::create_dir_all(path.parent().ok_or("a file without a folder")?)?;
        fs::write(&path, bytes)?;
        let below = path
            .strip_prefix(env::var("OUT_DIR")?)?
            .to_str()
            .ok_or("a path that is not UTF-8")?
            .to_owned();
        writeln!(
            list,
            "File {{ path: {name:?}, bytes: include_bytes!(concat!(env!(\"OUT_DIR\"), {:?})) }},",
            format!("/{below}")
        )?;
    }
    Ok(list)
}
