//! Composition: a library component becomes a part of the action that imports it.
//!
//! Both become children of a new component, with one instance of each. The new component imports
//! and exports what the action did, without the library, and has its custom sections. The action
//! cannot stay the root with the library inside: a call between a component and its child always
//! traps (wasmtime, "cannot enter component instance").

use std::convert::Infallible;
use std::fmt::Display;

use wasm_encoder::reencode::{Reencode, ReencodeComponent, component_utils};
use wasm_encoder::{
    Alias, Component, ComponentAliasSection, ComponentExportKind, ComponentExportSection,
    ComponentImportSection, ComponentInstanceSection, ComponentSectionId, RawSection,
};
use wasmparser::{
    Chunk, ComponentAlias, ComponentExternalKind, ComponentImportSectionReader, Parser, Payload,
    Validator,
};

/// Error of components that cannot be composed, or that are not valid, with the reason.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ComposeError(String);

impl ComposeError {
    fn of(reason: impl Display) -> Self {
        Self(reason.to_string())
    }
}

/// The index of the library among the components, and of its instance among the instances.
const LIBRARY: u32 = 0;

/// The index of the action among the components.
const ACTION: u32 = 1;

/// Arguments of the library's instance: it imports nothing.
const NO_ARGUMENTS: [(&str, ComponentExportKind, u32); 0] = [];

/// Returns the names of what a component imports.
///
/// # Errors
/// `component` is not a component.
pub fn imports(component: &[u8]) -> Result<Vec<String>, ComposeError> {
    let mut names = Vec::new();
    for_each_section(component, |payload| {
        if let Payload::ComponentImportSection(section) = payload {
            for import in section {
                names.push(import.map_err(ComposeError::of)?.name.name.to_owned());
            }
        }
        Ok(())
    })?;
    Ok(names)
}

/// Calls `visit` with the sections of a component, but not with those of what is inside it.
fn for_each_section<'a>(
    component: &'a [u8],
    mut visit: impl FnMut(Payload<'a>) -> Result<(), ComposeError>,
) -> Result<(), ComposeError> {
    let (mut parser, mut at) = (Parser::new(0), 0);
    loop {
        let rest = component.get(at..).unwrap_or_default();
        let Chunk::Parsed { consumed, payload } =
            parser.parse(rest, true).map_err(ComposeError::of)?
        else {
            return Err(ComposeError::of("it is cut off"));
        };
        at += consumed;
        match &payload {
            Payload::ModuleSection { unchecked_range, .. }
            | Payload::ComponentSection { unchecked_range, .. } => at += unchecked_range.len(),
            Payload::End(_) => return Ok(()),
            _ => {}
        }
        visit(payload)?;
    }
}

/// Returns `action` with `library` in it: the import `import` of the action is linked to the export
/// `export` of the library.
///
/// # Errors
/// The library lacks a function that the action calls, or has it with other core types; or one of
/// the two is not a component. Types with the same core type, such as `u32` and `s32`, are not told
/// apart: the version in an interface's name stands for its types.
pub fn compose(
    action: &[u8],
    library: &[u8],
    import: &str,
    export: &str,
) -> Result<Vec<u8>, ComposeError> {
    let mut composed = Component::new();
    composed.section(&RawSection { id: ComponentSectionId::Component.into(), data: library });
    let mut instances = ComponentInstanceSection::new();
    instances.instantiate(LIBRARY, NO_ARGUMENTS);
    composed.section(&instances);

    let mut copy = ImportCopy::new(import, export);
    let mut exports = Vec::new();
    let mut imports_are_over = false;
    for_each_section(action, |payload| {
        match payload {
            Payload::Version { .. } => {}
            Payload::CustomSection(section) if section.name() == COMPONENT_NAME => {}
            Payload::CustomSection(_) => copy.section(&mut composed, payload, action)?,
            Payload::ComponentTypeSection(_)
            | Payload::ComponentAliasSection(_)
            | Payload::ComponentImportSection(_)
                if !imports_are_over =>
            {
                copy.section(&mut composed, payload, action)?;
            }
            Payload::ComponentImportSection(_) => {
                return Err(ComposeError::of("it imports after its first definition"));
            }
            Payload::ComponentExportSection(section) => {
                for exported in section {
                    let exported = exported.map_err(ComposeError::of)?;
                    exports.push((exported.name.name.to_owned(), exported.kind));
                }
            }
            _ => imports_are_over = true,
        }
        Ok(())
    })?;

    composed.section(&RawSection { id: ComponentSectionId::Component.into(), data: action });
    let mut instances = ComponentInstanceSection::new();
    instances
        .instantiate(ACTION, copy.arguments.iter().map(|(name, kind, at)| (&**name, *kind, *at)));
    composed.section(&instances);
    copy.export_all(&mut composed, &exports)?;

    let composed = composed.finish();
    Validator::new().validate_all(&composed).map_err(ComposeError::of)?;
    Ok(composed)
}

/// The custom section with the names of a component's items: their indices are the action's.
const COMPONENT_NAME: &str = "component-name";

/// Returns the kind of an import or an export, which is an interface or a function; otherwise an
/// error about the `item`.
fn linkable(
    kind: ComponentExternalKind,
    item: impl Display,
) -> Result<ComponentExportKind, ComposeError> {
    match kind {
        ComponentExternalKind::Instance | ComponentExternalKind::Func => Ok(kind.into()),
        _ => {
            let reason = format_args!("{item}: it is neither an interface nor a function");
            Err(ComposeError::of(reason))
        }
    }
}

/// Copies an action's imports, and the types in front of them, behind the library.
struct ImportCopy<'a> {
    import: &'a str,
    export: &'a str,
    /// How many types of components or instances are around what is copied.
    depth: u32,
    /// How many instances and functions the new component has.
    instances: u32,
    functions: u32,
    /// What the action is instantiated with: the name, kind and index of each import.
    arguments: Vec<(String, ComponentExportKind, u32)>,
}

impl Reencode for ImportCopy<'_> {
    type Error = Infallible;
}

impl ReencodeComponent for ImportCopy<'_> {
    fn push_depth(&mut self) {
        self.depth += 1;
    }

    fn pop_depth(&mut self) {
        self.depth -= 1;
    }

    /// The library's instance is in front of all others.
    fn component_instance_index(&mut self, index: u32) -> u32 {
        if self.depth == 0 { index + 1 } else { index }
    }
}

impl<'a> ImportCopy<'a> {
    const fn new(import: &'a str, export: &'a str) -> Self {
        Self { import, export, depth: 0, instances: 1, functions: 0, arguments: Vec::new() }
    }

    /// Returns the index of the next item of a kind, and counts it.
    const fn count(&mut self, kind: ComponentExportKind) -> u32 {
        let next = match kind {
            ComponentExportKind::Func => &mut self.functions,
            _ => &mut self.instances,
        };
        *next += 1;
        *next - 1
    }

    fn section(
        &mut self,
        composed: &mut Component,
        payload: Payload<'_>,
        whole: &[u8],
    ) -> Result<(), ComposeError> {
        if let Payload::ComponentImportSection(section) = payload {
            return self.imports(composed, section);
        }
        if let Payload::ComponentAliasSection(section) = &payload {
            for alias in section.clone() {
                let alias = alias.map_err(ComposeError::of)?;
                if let ComponentAlias::InstanceExport {
                    kind: kind @ (ComponentExternalKind::Instance | ComponentExternalKind::Func),
                    ..
                } = alias
                {
                    self.count(kind.into());
                }
            }
        }
        component_utils::parse_component_payload(self, composed, payload, whole)
            .map_err(ComposeError::of)
    }

    /// Copies imports, with an alias in the place of the library's: the order decides the indices.
    fn imports(
        &mut self,
        composed: &mut Component,
        section: ComponentImportSectionReader<'_>,
    ) -> Result<(), ComposeError> {
        for import in section {
            let import = import.map_err(ComposeError::of)?;
            let name = import.name.name;
            let kind = linkable(import.ty.kind(), format_args!("{name} is imported"))?;
            if name == self.import {
                let mut alias = ComponentAliasSection::new();
                alias.alias(Alias::InstanceExport { instance: LIBRARY, kind, name: self.export });
                composed.section(&alias);
            } else {
                let ty = self.component_type_ref(import.ty).map_err(ComposeError::of)?;
                let mut section = ComponentImportSection::new();
                section.import(import.name, ty);
                composed.section(&section);
            }
            let index = self.count(kind);
            self.arguments.push((name.to_owned(), kind, index));
        }
        Ok(())
    }

    /// Exports all `exports` of the action's instance, which was just made.
    fn export_all(
        &mut self,
        composed: &mut Component,
        exports: &[(String, ComponentExternalKind)],
    ) -> Result<(), ComposeError> {
        let instance = self.count(ComponentExportKind::Instance);
        for (name, kind) in exports {
            let kind = linkable(*kind, format_args!("{name} is exported"))?;
            let mut alias = ComponentAliasSection::new();
            alias.alias(Alias::InstanceExport { instance, kind, name });
            composed.section(&alias);
            let mut section = ComponentExportSection::new();
            section.export(name.as_str(), kind, self.count(kind), None);
            composed.section(&section);
            // An export has an index of its own.
            self.count(kind);
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

    /// Imports the library between two other imports, and has components, instances, an outer alias
    /// and a custom section of its own.
    const IMPORTER: &str = r#"(component $action
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
        (core module $main (import "tools" "twice" (func (param i32) (result i32))))
        (core instance (instantiate $main
            (with "tools" (instance (export "twice" (func $twice))))))
        (export "the:action/function@0.1.0" (instance $function))
        (@custom "keynet:ask" "models"))"#;

    const IMPORT: &str = "a:library/tools@0.1.1";
    const EXPORT: &str = "a:library/tools@0.1.0";

    fn component(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn the_librarys_import_is_gone_and_all_else_is_there() {
        let action = component(IMPORTER);
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
        let error = compose(&component(IMPORTER), &component(&other), IMPORT, EXPORT).unwrap_err();
        assert!(error.to_string().contains("type"), "{error}");
        let none = component("(component)");
        let error = compose(&component(IMPORTER), &none, IMPORT, EXPORT).unwrap_err();
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
