//! Small components that expand to large ones, generated from text.

use crate::made::component;

/// Header of a component (component model binary format).
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// Action with a handwritten core module.
#[derive(Debug, Clone)]
pub struct Bomb {
    /// Imports of the module.
    pub imports: String,
    /// Further fields of the module.
    pub fields: String,
    /// Instructions before `describe` returns.
    pub describe: String,
    /// Instructions after the host has read the result of `describe`.
    pub after_describe: String,
    /// Instructions before `run` returns.
    pub run: String,
    /// Instructions after the host has read the result of `run`.
    pub after_run: String,
    /// Instructions before memory is allocated for the host.
    pub realloc: String,
    /// Initial memory in pages of 64 KiB.
    pub pages: u32,
    /// Length of the description in bytes; it begins at page 1.
    pub description: u32,
    /// Length of the result in bytes: `{}` at page 1, and the bytes after it.
    pub result: u32,
}

impl Default for Bomb {
    fn default() -> Self {
        let nothing = String::new;
        Self {
            imports: nothing(),
            fields: nothing(),
            describe: nothing(),
            after_describe: nothing(),
            run: nothing(),
            after_run: nothing(),
            realloc: nothing(),
            pages: 2,
            description: 4,
            result: 2,
        }
    }
}

impl Bomb {
    /// Returns the component.
    pub fn component(&self) -> Vec<u8> {
        let Self {
            imports,
            fields,
            describe,
            after_describe,
            run,
            after_run,
            realloc,
            pages,
            description,
            result,
        } = self;
        component(&format!(
            r#"(module
              {imports}
              (memory (export "memory") {pages})
              (data (i32.const 256) "bomb")
              (data (i32.const 65536) "{{}}")
              (global $free (mut i32) (i32.const 4096))
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                {realloc}
                (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
                (global.set $free (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
              (func (export "keynet:inference/function@0.1.0#describe") (result i32)
                {describe}
                (i32.store (i32.const 64) (i32.const 256)) (i32.store (i32.const 68) (i32.const 4))
                (i32.store (i32.const 72) (i32.const 65536)) (i32.store (i32.const 76) (i32.const {description}))
                (i32.const 64))
              (func (export "cabi_post_keynet:inference/function@0.1.0#describe") (param i32) {after_describe})
              (func (export "keynet:inference/function@0.1.0#run") (param i32 i32) (result i32)
                {run}
                (i32.store (i32.const 132) (i32.const 65536)) (i32.store (i32.const 136) (i32.const {result}))
                (i32.const 128))
              (func (export "cabi_post_keynet:inference/function@0.1.0#run") (param i32) {after_run})
              {fields})"#
        ))
    }
}

/// Returns an action that traps in `function`. The trapping function and its callers have the name
/// `name`; `depth` of them are in the backtrace.
pub fn call_at(function: &str, name: &str, depth: usize) -> Vec<u8> {
    let name = in_wat(name);
    let mut fields = format!("(func $f0 (@name \"{name}\") unreachable)\n");
    for level in 1..depth {
        fields.push_str(&format!("(func $f{level} (@name \"{name}\") (call $f{}))\n", level - 1));
    }
    let call = format!("(call $f{})", depth - 1);
    match function {
        "describe" => Bomb { fields, describe: call, ..Bomb::default() },
        _ => Bomb { fields, run: call, ..Bomb::default() },
    }
    .component()
}

/// Returns `text` as a string of the WebAssembly text format: characters that would reorder the
/// text are escaped.
fn in_wat(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_graphic() { c.to_string() } else { format!("\\u{{{:x}}}", u32::from(c)) }
        })
        .collect()
}

/// Returns a mangled C++ name (Itanium ABI) in which each of `levels` types has `fan` arguments of
/// the previous type: demangled, its length is about `fan`^`levels`.
pub fn name_bomb(fan: usize, levels: usize) -> String {
    let mut name = "_Z1f1AIiiE".to_owned();
    let mut last = 1;
    for level in 0..levels {
        let class = char::from(b'B' + u8::try_from(level).expect("few levels"));
        name.push_str(&format!("1{class}I{}E", substitution(last).repeat(fan)));
        last += 2;
    }
    name
}

/// Returns substitution number `index` of the Itanium ABI: `S_`, `S0_`, … `SZ_`, `S10_`.
fn substitution(index: usize) -> String {
    format!("S{}", sequence(index, b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
}

/// Returns `_`, `0_`, `1_`, …: both manglings count from 0 in this way, with these digits.
fn sequence(number: usize, digits: &[u8]) -> String {
    let Some(mut left) = number.checked_sub(1) else { return "_".to_owned() };
    let mut text = vec![b'_'];
    loop {
        text.push(digits[left % digits.len()]);
        left /= digits.len();
        if left == 0 {
            break;
        }
    }
    text.reverse();
    String::from_utf8(text).expect("digits")
}

/// Returns a mangled Rust name (v0) in which each of `levels` tuples has `fan` members that are
/// back references to the previous tuple.
pub fn rust_name_bomb(fan: usize, levels: usize) -> String {
    let mut name = "INvC1a1f".to_owned();
    let mut last = name.len();
    name.push_str("TmmE");
    for _ in 0..levels {
        let at = name.len();
        name.push_str(&format!("T{}E", format!("B{}", base62(last)).repeat(fan)));
        last = at;
    }
    format!("_R{name}E")
}

/// Returns a number of the v0 mangling: `_` is 0, `0_` is 1.
fn base62(number: usize) -> String {
    sequence(number, b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

/// Returns a component that behaves as `action` and contains another component, `inner`, which is
/// instantiated together with it.
pub fn action_with(action: &[u8], inner: &str) -> Vec<u8> {
    let inner = wat::parse_str(inner).expect("a component");
    let mut component = action.to_vec();
    section(&mut component, 4, &inner);
    let index = components_in(action);
    let mut instance = vec![1, 0]; // one instance, of a component
    leb(&mut instance, index);
    instance.push(0); // without arguments
    section(&mut component, 5, &instance);
    component
}

/// Returns the number of components that a component defines or imports itself, which is the index
/// of the next.
fn components_in(component: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut components = 0;
    for part in wasmparser::Parser::new(0).parse_all(component) {
        match part.expect("a component") {
            wasmparser::Payload::ComponentSection { .. } => {
                components += usize::from(depth == 0);
                depth += 1;
            }
            wasmparser::Payload::ModuleSection { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    components
}

/// Appends a section to a component: its id, its length, its content.
fn section(component: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    component.push(kind);
    leb(component, bytes.len());
    component.extend_from_slice(bytes);
}

fn leb(bytes: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("seven bits"));
}

/// Returns an action with the capability request `ask`, the text of its `keynet.toml`.
pub fn asking(ask: &str) -> Vec<u8> {
    let mut data = Vec::new();
    leb(&mut data, "keynet-ask".len());
    data.extend_from_slice(b"keynet-ask");
    data.extend_from_slice(ask.as_bytes());
    let mut component = Bomb::default().component();
    section(&mut component, 0, &data);
    component
}

/// Returns components nested `depth` levels deep.
pub fn nested(depth: usize) -> Vec<u8> {
    let mut heads = Vec::new();
    let mut length = HEADER.len();
    for _ in 0..depth {
        let mut head = HEADER.to_vec();
        head.push(4);
        leb(&mut head, length);
        length += head.len();
        heads.push(head);
    }
    heads.reverse();
    [heads.concat(), HEADER.to_vec()].concat()
}

/// Returns an action with `count` additional instances of a core module with `globals` globals,
/// each of which takes 16 bytes of an instance.
pub fn many_instances(count: usize, globals: usize) -> Vec<u8> {
    let global = "(global i64 (i64.const 1))\n".repeat(globals);
    let instances = "(core instance (instantiate $m))\n".repeat(count);
    action_with(
        &Bomb::default().component(),
        &format!("(component (core module $m {global}) {instances})"),
    )
}

/// Returns an action with an additional core module with `field`, and one instance of it.
pub fn with_core(field: &str) -> Vec<u8> {
    action_with(
        &Bomb::default().component(),
        &format!("(component (core module $m {field}) (core instance (instantiate $m)))"),
    )
}

/// Returns a component that imports `count` functions, each with a name of `length` bytes.
pub fn long_imports(count: usize, length: usize) -> Vec<u8> {
    let import = |number: usize| format!("(import \"{}{number}\" (func))\n", "a".repeat(length));
    let imports: String = (0..count).map(import).collect();
    wat::parse_str(format!("(component {imports})")).expect("a component")
}
