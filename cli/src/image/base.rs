//! The base image: the root with a config that runs it.

use std::path::{Path, PathBuf};

use keynet_base::cpu::Cpu;

use super::config::Config;
use super::layer::Layer;
use super::root::{Root, runtime_beside};
use super::time::Time;
use super::{Image, ImageError};

/// Containerfile that builds the same base with a container engine; its arguments are filled in
/// here.
const CONTAINERFILE: &str = include_str!("../../../host/Containerfile");

/// Inputs of a base.
#[derive(Debug, Clone, Default)]
pub struct BaseOptions {
    /// Path of the runtime; `None` for the one beside this program.
    pub runtime: Option<PathBuf>,
    /// File of certificate authorities; `None` for the system's.
    pub certificates: Option<PathBuf>,
    /// Processors that actions are compiled for in this base.
    pub cpu: Cpu,
}

impl BaseOptions {
    /// Reads the files of the base. Blocks.
    ///
    /// # Errors
    /// See [`Root::new`].
    pub fn root(&self) -> Result<Root, ImageError> {
        let runtime = self.runtime.clone().unwrap_or_else(runtime_beside);
        Root::new(&runtime, self.certificates.as_deref(), self.cpu)
    }
}

/// Returns the image of `root`.
///
/// # Errors
/// `SOURCE_DATE_EPOCH` is not a time.
pub fn base(root: &Root) -> Result<Image, ImageError> {
    let time = Time::from_environment()?;
    let mut image = Image::empty(Config::base(root, time));
    image.add(Layer::of(&root.tree, time), "keynet-inference image base", time);
    Ok(image)
}

/// Returns the image of a node.
///
/// # Errors
/// A file of it cannot be read, or `SOURCE_DATE_EPOCH` is not a time.
pub fn node(certificates: Option<&Path>, cpu: Cpu) -> Result<Image, ImageError> {
    let (time, root) = (Time::from_environment()?, Root::node(certificates, cpu)?);
    let mut image = Image::empty(Config::node(&root, time));
    image.add(Layer::of(&root.tree, time), "keynet-inference image node", time);
    Ok(image)
}

/// Returns a Containerfile that builds the same image from a folder that holds `root/`.
pub fn containerfile(root: &Root) -> String {
    let arguments = [
        ("CPU", root.cpu.to_string()),
        ("ENGINE", root.identity.engine.clone()),
        ("VERSION", root.identity.version.clone()),
    ];
    arguments.iter().fold(CONTAINERFILE.to_owned(), |file, (name, value)| {
        file.replace(
            &format!("\nARG {name}\n"),
            &format!(
                "\nARG \
            {name}={value}\n"
            ),
        )
    })
}

/// Writes `root` and its Containerfile into `folder`.
///
/// # Errors
/// A file cannot be written.
pub fn write_root(root: &Root, folder: &Path) -> Result<(), ImageError> {
    root.tree.write(&folder.join("root"))?;
    let file = folder.join("Containerfile");
    std::fs::write(&file, containerfile(root)).map_err(ImageError::io("write", &file))
}
