//! Embeds the SDKs with the contract, and the templates of new projects, in the binary.
//!
//! `OUT_DIR/embedded.rs` lists the files by name, so that the same sources make the same binary.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use toml::{Table, Value};

/// Files by their path below the folder they are unpacked to, separated by `/`.
type Files = BTreeMap<String, Vec<u8>>;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Folder of the SDKs in the repository.
const SDKS: &str = "guest-sdk/";

/// Packages of the Rust SDK. Their paths in the embedded SDK are those below `guest-sdk`.
const PACKAGES: &[&str] = &["guest-sdk/rust", "guest-sdk/rust/macros", "guest-sdk/imaging"];

/// Imaging library for other languages, beside its crate: a workspace of its own.
const IMAGING: &str = "guest-sdk/imaging";

/// Environment variable with the path of the imaging library's built component, which is embedded.
const IMAGING_COMPONENT: &str = "KEYNET_IMAGING_COMPONENT";

fn main() -> Result<()> {
    let crate_folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let repository = crate_folder.join("..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let list = format!(
        "/// The contract.\npub static CONTRACT: &[File] = &[{}];\n\
         /// The packages of the Rust SDK.\npub static RUST_SDK: &[File] = &[{}];\n\
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
    let workspace: Table = String::from_utf8(read(&repository.join("Cargo.toml"))?)?.parse()?;
    let workspace = table(workspace.get("workspace"))?;
    let mut files = Files::new();
    for package in PACKAGES {
        let (root, name) = (repository.join(package), embedded(package));
        let manifest = manifest(workspace, name, &read(&root.join("Cargo.toml"))?)
            .map_err(|error| format!("{package}: {error}"))?;
        files.insert(format!("{name}/Cargo.toml"), manifest.into_bytes());
        files.extend(folder(&root.join("src"), &format!("{name}/src/"))?);
        if root.join("README.md").exists() {
            files.insert(format!("{name}/README.md"), read(&root.join("README.md"))?);
        }
    }
    for part in ["fonts", "wit", "component"] {
        let prefix = format!("{}/{part}/", embedded(IMAGING));
        files.extend(folder(&repository.join(IMAGING).join(part), &prefix)?);
    }
    files.insert("LICENSE".to_owned(), read(&repository.join("LICENSE"))?);
    Ok(files)
}

/// Returns the path in the embedded SDK of a folder of the repository.
fn embedded(path: &str) -> &str {
    path.strip_prefix(SDKS).unwrap_or(path)
}

/// Returns the Rust item with the component of the imaging library, and copies the component if the
/// environment names one.
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

/// Reads the listed folders and files of an SDK.
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

/// Returns the manifest of a package in the folder `name` with all that it inherits, so that it
/// needs no workspace: cargo would take that of the project around it. Without its tests'
/// dependencies, and with lints that allow all warnings in users' builds.
fn manifest(workspace: &Table, name: &str, text: &[u8]) -> Result<String> {
    let mut manifest: Table = std::str::from_utf8(text)?.parse()?;
    let Some(Value::Table(package)) = manifest.get_mut("package") else {
        return Err("a manifest without a package".into());
    };
    let inherited = table(workspace.get("package"))?;
    for (key, value) in package.iter_mut().filter(|(_, value)| is_inherited(value)) {
        *value = inherited.get(key).ok_or_else(|| format!("no {key} to inherit"))?.clone();
    }
    let up = "../".repeat(name.split('/').count());
    inherit_dependencies(&mut manifest, table(workspace.get("dependencies"))?, &up)?;
    manifest.insert("lints".to_owned(), "rust.warnings = 'allow'".parse::<Table>()?.into());
    Ok(toml::to_string(&manifest)?)
}

/// Replaces inherited dependencies in the tables of a manifest or of a target. `up` leads from the
/// package to the folder of all packages.
fn inherit_dependencies(table: &mut Table, inherited: &Table, up: &str) -> Result<()> {
    table.remove("dev-dependencies");
    for kind in ["dependencies", "build-dependencies"] {
        let Some(Value::Table(dependencies)) = table.get_mut(kind) else { continue };
        for (name, value) in dependencies.iter_mut().filter(|(_, value)| is_inherited(value)) {
            let base = inherited.get(name).ok_or_else(|| format!("no {name} to inherit"))?;
            let mut whole = match base {
                Value::Table(base) => base.clone(),
                version => Table::from_iter([("version".to_owned(), version.clone())]),
            };
            if let Some(Value::String(path)) = whole.get_mut("path") {
                *path = format!("{up}{}", embedded(path));
            }
            for (key, own) in value.as_table().into_iter().flatten() {
                match (key.as_str(), whole.get_mut(key), own) {
                    ("workspace", ..) => {}
                    ("features", Some(Value::Array(features)), Value::Array(more)) => {
                        features.extend(more.iter().cloned());
                    }
                    _ => drop(whole.insert(key.clone(), own.clone())),
                }
            }
            *value = Value::Table(whole);
        }
    }
    if let Some(Value::Table(targets)) = table.get_mut("target") {
        for (_, target) in targets.iter_mut() {
            let target = target.as_table_mut().ok_or("a target that is no table")?;
            inherit_dependencies(target, inherited, up)?;
        }
    }
    Ok(())
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").is_some()
}

fn table(value: Option<&Value>) -> Result<&Table> {
    value.and_then(Value::as_table).ok_or_else(|| {
        "the workspace's Cargo.toml has no [workspace.package] or [workspace.dependencies]".into()
    })
}

/// Reads every file below `path`, except build products and hidden files of editors and systems.
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

/// Copies `files` to `to`, where nothing changes them while the crate is compiled, and returns them
/// as a list in Rust.
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
