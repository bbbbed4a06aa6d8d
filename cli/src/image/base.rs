//! The base: a root that can be run.

use std::path::{Path, PathBuf};

use keynet_base::cpu::Cpu;

use super::config::Config;
use super::layer::Layer;
use super::root::{Root, runtime_beside};
use super::time::Time;
use super::{Image, ImageError};

/// The same base for a container engine, with arguments to fill in.
const CONTAINERFILE: &str = include_str!("../../../host/Containerfile");

/// What a base is made of.
#[derive(Debug, Clone, Default)]
pub struct BaseOptions {
    /// The runtime, where it is not beside this program.
    pub runtime: Option<PathBuf>,
    /// The certificate authorities, where they are not the system's.
    pub certificates: Option<PathBuf>,
    /// The processors that code is compiled for in it.
    pub cpu: Cpu,
}

impl BaseOptions {
    /// Its files. Blocks.
    ///
    /// # Errors
    /// See [`Root::new`].
    pub fn root(&self) -> Result<Root, ImageError> {
        let runtime = self.runtime.clone().unwrap_or_else(runtime_beside);
        Root::new(&runtime, self.certificates.as_deref(), self.cpu)
    }
}

/// The image of `root`.
///
/// # Errors
/// `SOURCE_DATE_EPOCH` is no time.
pub fn base(root: &Root) -> Result<Image, ImageError> {
    let time = Time::from_environment()?;
    let mut image = Image::empty(Config::base(root, time));
    image.add(Layer::of(&root.tree, time), "keynet-inference image base", time);
    Ok(image)
}

/// A Containerfile that makes the same of a folder with `root/` in it.
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
/// Of the file system.
pub fn write_root(root: &Root, folder: &Path) -> Result<(), ImageError> {
    root.tree.write(&folder.join("root"))?;
    let file = folder.join("Containerfile");
    std::fs::write(&file, containerfile(root)).map_err(ImageError::io("write", &file))
}
