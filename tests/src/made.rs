//! Actions that cannot be built with an SDK.

use crate::root;

/// Returns an action whose result is `text`, which an SDK would reject.
pub fn answers(text: &str) -> Vec<u8> {
    action("answer", "answer", text)
}

/// Returns an action that describes itself with this name and description, and whose result is
/// `text`, valid or not.
pub fn action(name: &str, description: &str, text: &str) -> Vec<u8> {
    let escaped = |text: &str| text.bytes().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let module = format!(
        r#"(module
          (memory (export "memory") {})
          (data (i32.const 256) "{}") (data (i32.const 512) "{}") (data (i32.const 65536) "{}")
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
          (func (export "keynet:inference/function@0.1.0#describe") (result i32)
            (i32.store (i32.const 64) (i32.const 256)) (i32.store (i32.const 68) (i32.const {}))
            (i32.store (i32.const 72) (i32.const 512)) (i32.store (i32.const 76) (i32.const {}))
            (i32.const 64))
          (func (export "keynet:inference/function@0.1.0#run") (param i32 i32) (result i32)
            (i32.store (i32.const 132) (i32.const 65536)) (i32.store (i32.const 136) (i32.const {}))
            (i32.const 128)))"#,
        2 + text.len() / 65_536,
        escaped(name),
        escaped(description),
        escaped(text),
        name.len(),
        description.len(),
        text.len(),
    );
    component(&module)
}

/// Returns the component of a core module, in text format, that exports what an action must.
pub fn component(module: &str) -> Vec<u8> {
    component_with(module, &[], "")
}

/// As [`component`], for a module that also has `imports`, the items of a world in the text format
/// of WIT; `packages` are the packages that they are from.
pub fn component_with(module: &str, packages: &[&str], imports: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).expect("a module");
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_dir(root().join("wit")).expect("the contract");
    for package in packages {
        resolve.push_str("package.wit", package).expect("a package");
    }
    let world = format!(
        "package test:made; world made {{ include keynet:inference/action@0.1.0; {imports} }}"
    );
    let package = resolve.push_str("made.wit", &world).expect("the world");
    let world = resolve.select_world(&[package], Some("made")).expect("its world");
    wit_component::embed_component_metadata(
        &mut module,
        &resolve,
        world,
        wit_component::StringEncoding::UTF8,
    )
    .expect("its metadata");
    wit_component::ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .expect("a component")
}
