//! The component of a core module, for languages whose compilers build core modules only.

use std::fmt::Display;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as ADAPTER_NAME,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata, metadata};
use wit_parser::{Resolve, SourceMap, WorldId};

use crate::project::embedded::CONTRACT;

/// The world of an action.
const WORLD: &str = "action";

/// A core module that cannot be made a component, and the reason.
#[derive(Debug, thiserror::Error)]
#[error("the module cannot be made a component: {0}")]
pub struct ComponentizeError(String);

impl ComponentizeError {
    /// An error with the causes of `error`.
    fn of(error: impl Display) -> Self {
        Self(format!("{error:#}"))
    }
}

/// Returns the component of the core module `core`.
///
/// A module that carries no component type, as Go's linker leaves it, gets that of an action. Its
/// calls of WASI preview 1 go through wasmtime's adapter for reactors to WASI 0.2.
///
/// # Errors
/// `core` is no core module, imports what an action does not have, or lacks an export.
pub fn componentize(core: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    let is_typed = metadata::decode(core).map_err(ComponentizeError::of)?.0.is_some();
    let mut module = core.to_vec();
    if !is_typed {
        let (resolve, world) = action_world()?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .map_err(ComponentizeError::of)?;
    }
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.adapter(ADAPTER_NAME, ADAPTER))
        .and_then(|mut encoder| encoder.encode())
        .map_err(ComponentizeError::of)
}

/// Returns the contract that this binary carries, and its world.
fn action_world() -> Result<(Resolve, WorldId), ComponentizeError> {
    let mut sources = SourceMap::default();
    for file in CONTRACT.iter().filter(|file| file.path.ends_with(".wit")) {
        sources.push_str(file.path, String::from_utf8_lossy(file.bytes));
    }
    let contract = sources.parse().map_err(|(_, error)| ComponentizeError::of(error))?;
    let mut resolve = Resolve::default();
    let package = resolve.push_group(contract).map_err(ComponentizeError::of)?;
    let world = resolve.select_world(&[package], Some(WORLD)).map_err(ComponentizeError::of)?;
    Ok((resolve, world))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of every component: the magic number, version 13, layer 1.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    /// Appends a section of the kind `id` to a module in binary form.
    fn section(module: &mut Vec<u8>, id: u8, content: &[u8]) {
        assert!(content.len() < 128, "one byte of length");
        module.push(id);
        module.push(content.len() as u8);
        module.extend_from_slice(content);
    }

    /// Returns a name as modules have it: its length, its bytes.
    fn name(text: &str) -> Vec<u8> {
        [&[text.len() as u8], text.as_bytes()].concat()
    }

    /// Returns a module whose only function, `() -> i32`, is exported as each of `exports`.
    fn module(exports: &[&str]) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        section(&mut module, 1, &[2, 0x60, 0, 1, 0x7f, 0x60, 2, 0x7f, 0x7f, 1, 0x7f]);
        section(&mut module, 3, &[2, 0, 1]);
        section(&mut module, 5, &[1, 0, 1]);
        let mut list = vec![exports.len() as u8 + 1];
        list.extend([name("memory"), vec![2, 0]].concat());
        for export in exports {
            let function = u8::from(export.ends_with("#run"));
            list.extend([name(export), vec![0, function]].concat());
        }
        section(&mut module, 7, &list);
        section(&mut module, 10, &[2, 4, 0, 0x41, 0, 0x0b, 4, 0, 0x41, 0, 0x0b]);
        module
    }

    #[test]
    fn a_module_without_a_component_type_gets_that_of_an_action() {
        let exports =
            ["keynet:inference/function@0.1.0#describe", "keynet:inference/function@0.1.0#run"];
        // `run` takes text, and so the module must let the host allocate: it is told.
        let error = componentize(&module(&exports)).unwrap_err().to_string();
        assert!(error.contains("realloc"), "{error}");
        let error = componentize(&module(&exports[..1])).unwrap_err().to_string();
        assert!(error.contains("function `run`"), "{error}");
    }

    #[test]
    fn what_is_no_core_module_is_refused() {
        let error = componentize(b"not wasm").unwrap_err().to_string();
        assert!(error.starts_with("the module cannot be made a component: "), "{error}");
        assert!(componentize(COMPONENT).is_err());
    }
}
