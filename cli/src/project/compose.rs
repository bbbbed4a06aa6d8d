//! Composition: a library component becomes a part of the action that imports it.
//!
//! The library is put in front of everything else in the action's component, with one instance of
//! it; what the action imported of it becomes an alias of what that instance exports. Nothing else
//! changes but the numbers of components and instances, which are one higher: imports of the host's
//! contract, exports, custom sections and names stay as they are.

use std::convert::Infallible;
use std::fmt::Display;

use wasm_encoder::reencode::{Reencode, ReencodeComponent, component_utils};
use wasm_encoder::{
    Alias, Component, ComponentAliasSection, ComponentExportKind, ComponentImportSection,
    ComponentInstanceSection, ComponentSectionId, RawSection,
};
use wasmparser::{Chunk, ComponentImportSectionReader, Parser, Payload, Validator};

/// Components that do not fit together, or are none, and the reason.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ComposeError(String);

impl ComposeError {
    fn of(reason: impl Display) -> Self {
        Self(reason.to_string())
    }
}

/// The number of the library among the components, and of its instance among the instances.
const LIBRARY: u32 = 0;

/// The library imports nothing.
const NO_ARGUMENTS: [(&str, ComponentExportKind, u32); 0] = [];

/// Returns the names of what a component imports.
///
/// # Errors
/// `component` is no component.
pub fn imports(component: &[u8]) -> Result<Vec<String>, ComposeError> {
    let mut names = Vec::new();
    let (mut parser, mut at) = (Parser::new(0), 0);
    loop {
        let rest = component.get(at..).unwrap_or_default();
        let Chunk::Parsed { consumed, payload } =
            parser.parse(rest, true).map_err(ComposeError::of)?
        else {
            return Err(ComposeError::of("it is cut off"));
        };
        at += consumed;
        match payload {
            Payload::ModuleSection { unchecked_range, .. }
            | Payload::ComponentSection { unchecked_range, .. } => at += unchecked_range.len(),
            Payload::ComponentImportSection(section) => {
                for import in section {
                    names.push(import.map_err(ComposeError::of)?.name.name.to_owned());
                }
            }
            Payload::End(_) => return Ok(names),
            _ => {}
        }
    }
}

/// Returns `action` with `library` in it: what it imports as `import` is what the library exports
/// as `export`.
///
/// # Errors
/// The library lacks what the action calls, or has it with other types; one of them is no
/// component.
pub fn compose(
    action: &[u8],
    library: &[u8],
    import: &str,
    export: &str,
) -> Result<Vec<u8>, ComposeError> {
    let mut component = Component::new();
    component.section(&RawSection { id: ComponentSectionId::Component.into(), data: library });
    let mut instances = ComponentInstanceSection::new();
    instances.instantiate(LIBRARY, NO_ARGUMENTS);
    component.section(&instances);
    Composer { import, export, depth: 0 }
        .parse_component(&mut component, Parser::new(0), action)
        .map_err(ComposeError::of)?;
    let composed = component.finish();
    Validator::new().validate_all(&composed).map_err(ComposeError::of)?;
    Ok(composed)
}

/// Copies an action's component behind the library.
struct Composer<'a> {
    import: &'a str,
    export: &'a str,
    /// How many components, or types of them, are around what is copied.
    depth: u32,
}

impl Reencode for Composer<'_> {
    type Error = Infallible;
}

type ReencodeError = wasm_encoder::reencode::Error<Infallible>;

impl ReencodeComponent for Composer<'_> {
    fn push_depth(&mut self) {
        self.depth += 1;
    }

    fn pop_depth(&mut self) {
        self.depth -= 1;
    }

    fn component_index(&mut self, index: u32) -> u32 {
        if self.depth == 0 { index + 1 } else { index }
    }

    fn component_instance_index(&mut self, index: u32) -> u32 {
        if self.depth == 0 { index + 1 } else { index }
    }

    fn outer_component_index(&mut self, count: u32, index: u32) -> u32 {
        if self.depth == count { index + 1 } else { index }
    }

    /// Core modules are copied as they are.
    fn parse_component_submodule(
        &mut self,
        component: &mut Component,
        _: Parser,
        module: &[u8],
    ) -> Result<(), ReencodeError> {
        component.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data: module });
        Ok(())
    }

    fn parse_component_payload(
        &mut self,
        component: &mut Component,
        payload: Payload<'_>,
        whole: &[u8],
    ) -> Result<(), ReencodeError> {
        match payload {
            Payload::ComponentImportSection(section) if self.depth == 0 => {
                self.copy_imports(component, section)
            }
            payload => component_utils::parse_component_payload(self, component, payload, whole),
        }
    }
}

impl Composer<'_> {
    /// Copies imports, with an alias in the place of the library's: the order decides the numbers.
    fn copy_imports(
        &mut self,
        component: &mut Component,
        section: ComponentImportSectionReader<'_>,
    ) -> Result<(), ReencodeError> {
        let mut imports = ComponentImportSection::new();
        for import in section {
            let import = import?;
            if import.name.name == self.import {
                if !imports.is_empty() {
                    component.section(&imports);
                    imports = ComponentImportSection::new();
                }
                let mut aliases = ComponentAliasSection::new();
                aliases.alias(Alias::InstanceExport {
                    instance: LIBRARY,
                    kind: ComponentExportKind::Instance,
                    name: self.export,
                });
                component.section(&aliases);
            } else {
                imports.import(import.name, self.component_type_ref(import.ty)?);
            }
        }
        if !imports.is_empty() {
            component.section(&imports);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exports an interface with a function and a resource.
    const LIBRARY: &str = r#"(component
        (core module $code
            (func (export "twice") (param i32) (result i32) local.get 0 i32.const 2 i32.mul)
            (func (export "make") (result i32) i32.const 7))
        (core instance $code (instantiate $code))
        (type $thing (resource (rep i32)))
        (core func $new (canon resource.new $thing))
        (func $twice (param "n" u32) (result u32) (canon lift (core func $code "twice")))
        (component $shim
            (import "thing" (type $imported (sub resource)))
            (import "twice" (func $twice (param "n" u32) (result u32)))
            (export $exported "thing" (type $imported))
            (export "twice" (func $twice)))
        (instance $interface (instantiate $shim
            (with "thing" (type $thing)) (with "twice" (func $twice))))
        (export "a:library/tools@0.1.0" (instance $interface)))"#;

    /// Imports it between two others, and has components, instances, an outer alias and a custom
    /// section of its own.
    const ACTION: &str = r#"(component $action
        (import "the:host/first@0.1.0" (instance $first (export "go" (func))))
        (import "a:library/tools@0.1.1" (instance $tools
            (export "thing" (type (sub resource)))
            (export "twice" (func (param "n" u32) (result u32)))))
        (import "the:host/last@0.1.0" (instance $last (export "stop" (func))))
        (alias export $tools "thing" (type $thing))
        (alias export $last "stop" (func $stop))
        (component $empty)
        (component $inner
            (alias outer $action $empty (component $again))
            (instance (instantiate $again)))
        (instance (instantiate $inner))
        (component $shim
            (import "stop" (func $stop))
            (export "run" (func $stop)))
        (instance $function (instantiate $shim (with "stop" (func $stop))))
        (core func $twice (canon lower (func $tools "twice")))
        (core func $drop (canon resource.drop $thing))
        (export "the:action/function@0.1.0" (instance $function))
        (@custom "keynet:ask" "models"))"#;

    const IMPORT: &str = "a:library/tools@0.1.1";
    const EXPORT: &str = "a:library/tools@0.1.0";

    fn component(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn the_librarys_import_is_gone_and_all_else_is_there() {
        let action = component(ACTION);
        assert_eq!(
            imports(&action).unwrap(),
            ["the:host/first@0.1.0", IMPORT, "the:host/last@0.1.0"]
        );
        let composed = compose(&action, &component(LIBRARY), IMPORT, EXPORT).unwrap();
        assert_eq!(imports(&composed).unwrap(), ["the:host/first@0.1.0", "the:host/last@0.1.0"]);
        let contains = |text: &[u8]| composed.windows(text.len()).any(|bytes| bytes == text);
        assert!(contains(b"the:action/function@0.1.0"));
        assert!(contains(b"\x0akeynet:askmodels"), "the custom section is where it was");
        assert!(contains(b"\x05empty"), "names are kept");
    }

    #[test]
    fn a_library_that_lacks_what_is_called_is_refused() {
        let other = LIBRARY.replace("\"n\" u32", "\"n\" u64").replace(
            "(param i32) (result i32) local.get 0 i32.const 2 i32.mul",
            "(param i64) (result i32) i32.const 2",
        );
        let error = compose(&component(ACTION), &component(&other), IMPORT, EXPORT).unwrap_err();
        assert!(error.to_string().contains("type"), "{error}");
        let none = component("(component)");
        let error = compose(&component(ACTION), &none, IMPORT, EXPORT).unwrap_err();
        assert!(error.to_string().contains(EXPORT), "{error}");
    }

    #[test]
    fn what_is_no_component_is_an_error() {
        for bytes in [b"".as_slice(), b"\0asm\x0d\0\x01", b"not wasm", b"\0asm\x0d\0\x01\0\x07\x05"]
        {
            assert!(imports(bytes).is_err(), "{bytes:?}");
        }
    }
}
