#!/usr/bin/env python3
"""Replaces WebAssembly exceptions, which componentize-py does not link, by ordinary code.

Clang compiles longjmp and C++ exceptions into `try_table` and `throw`. After a throw, each function on the stack returns at once to
its caller until one of them catches: this step writes exactly that. A throw keeps its payload in one global, raises a flag
in another, and branches to the handler of the enclosing `try_table` or returns zeroes. After every call that may throw, the
flag is tested, and if it is up the caller does the same. One tag with one i32 is supported, which is all that either needs,
so that the first catch clause always matches, and a reference to an exception (exnref) is its payload.

usage: lower_exceptions.py MODULE...
"""

import sys

import wasm_code
from wasm_code import encode, unsigned

TYPE, IMPORT, FUNCTION, GLOBAL, EXPORT, ELEMENT, CODE, TAG = 1, 2, 3, 6, 7, 9, 10, 13
ZERO = {0x7F: b"\x41\0", 0x7E: b"\x42\0", 0x7D: b"\x43" + bytes(4), 0x7C: b"\x44" + bytes(8), 0x7B: b"\xfd\x0c" + bytes(16)}
CALL, CALL_INDIRECT, TRY_TABLE, THROW, THROW_REF, END = 0x10, 0x11, 0x1F, 0x08, 0x0A, 0x0B
BLOCKS = (0x02, 0x03, 0x04, TRY_TABLE)
I32, EXNREF = 0x7F, 0x69


class Function:
    """One function: its type, its code, and the instructions that matter here."""

    def __init__(self, type_index, body):
        self.type, self.body = type_index, body
        self.calls, self.indirect, self.throws, self.catches = set(), set(), False, False
        groups, at = unsigned(body, 0)
        self.locals = bytearray(body[:at])
        for _ in range(groups):
            start = at
            _, at = unsigned(body, at)
            self.locals += body[start:at] + bytes([I32 if body[at] == EXNREF else body[at]])
            at += 1
        self.start = at
        for opcode, _, immediates, _ in wasm_code.instructions(body, at):
            if opcode == CALL:
                self.calls.add(unsigned(body, immediates)[0])
            elif opcode == CALL_INDIRECT:
                self.indirect.add(unsigned(body, immediates)[0])
            elif opcode in (THROW, THROW_REF):
                self.throws = True
            elif opcode == TRY_TABLE:
                self.catches = True


class Module:
    """The parts of a module that decide which calls may throw."""

    def __init__(self, module):
        self.sections = list(wasm_code.sections(module))
        if all(number != GLOBAL for number, _ in self.sections):
            place = next(i for i, (number, _) in enumerate(self.sections) if number > GLOBAL and number != TAG)
            self.sections.insert(place, (GLOBAL, b"\0"))
        parts = dict(self.sections)
        self.types = wasm_code.function_types(parts[TYPE])
        imported = list(wasm_code.imports(parts[IMPORT]))
        self.imported_functions = sum(kind == 0 for kind, _, _ in imported)
        self.imports = [entry for kind, _, entry in imported if kind != 4]
        tags = [description for kind, description, _ in imported if kind == 4] + own_tags(parts.get(TAG, b"\0"))
        if any(self.types[tag] != (b"\x7f", b"") for tag in tags) or len(tags) > 1:
            raise ValueError("only one tag with one i32 is supported")
        self.has_tag = bool(tags)
        if not tags:
            return
        count, at = unsigned(parts[GLOBAL], 0)
        self.globals = count, parts[GLOBAL][at:]
        self.flag = sum(kind == 3 for kind, _, _ in imported) + count
        self.payload = self.flag + 1
        self.functions = list(self.read_functions(parts[FUNCTION], parts[CODE]))
        self.addresses = addressed(parts.get(ELEMENT, b"\0"), parts.get(EXPORT, b"\0"))
        self.throwing, self.throwing_types = self.find_throwing()

    def read_functions(self, types, code):
        count, types_at = unsigned(types, 0)
        _, at = unsigned(code, 0)
        for _ in range(count):
            type_index, types_at = unsigned(types, types_at)
            size, at = unsigned(code, at)
            yield Function(type_index, code[at:at + size])
            at += size

    def find_throwing(self):
        """Returns the functions that may throw, and the types with which one may be called indirectly."""
        first = self.imported_functions
        throwing = {first + i for i, f in enumerate(self.functions) if f.throws}
        while True:
            types = {self.types[self.functions[i - first].type] for i in throwing & self.addresses}
            found = {
                first + i for i, f in enumerate(self.functions)
                if first + i not in throwing and (f.calls & throwing or any(self.types[t] in types for t in f.indirect))
            }
            if not found:
                return throwing, types
            throwing |= found

    def may_throw(self, opcode, body, immediates):
        if opcode == CALL:
            return unsigned(body, immediates)[0] in self.throwing
        return opcode == CALL_INDIRECT and self.types[unsigned(body, immediates)[0]] in self.throwing_types

    def lower(self, index):
        """Returns the code of a function with its throws, tests and handlers written out."""
        function = self.functions[index - self.imported_functions]
        if index not in self.throwing and not function.catches:
            return function.body
        body, out = function.body, bytearray(function.locals)
        open_blocks = []  # None, or the handler of a try_table: its label, and how many values it takes
        written = function.start
        get_payload, set_payload = b"\x23" + encode(self.payload), b"\x24" + encode(self.payload)
        get_flag, set_flag = b"\x23" + encode(self.flag), b"\x24" + encode(self.flag)
        _, results = self.types[function.type]

        def leave(extra):
            """Writes the way to the handler, or out of the function, from `extra` blocks further in."""
            for depth, handler in enumerate(reversed(open_blocks)):
                if handler is not None:
                    label, values = handler
                    return b"\x41\0" + set_flag + get_payload * values + b"\x0c" + encode(extra + depth + 1 + label)
            return b"".join(ZERO[t] for t in results) + b"\x0f"

        for opcode, start, immediates, end in wasm_code.instructions(body, function.start):
            if opcode in BLOCKS:
                type_end = wasm_code.skip_number(body, immediates)
                open_blocks.append(handler_of(body, type_end) if opcode == TRY_TABLE else None)
                block_type = bytes([I32]) if body[immediates] == EXNREF else body[immediates:type_end]
                out += body[written:start] + bytes([0x02 if opcode == TRY_TABLE else opcode]) + block_type
                written = end
            elif opcode == END and open_blocks:
                open_blocks.pop()
            elif opcode in (THROW, THROW_REF):
                out += body[written:start] + set_payload + b"\x41\1" + set_flag + leave(0)
                written = end
            elif self.may_throw(opcode, body, immediates):
                out += body[written:end] + get_flag + b"\x04\x40" + leave(1) + b"\x0b"
                written = end
        return bytes(out + body[written:])

    def encode(self):
        """Returns the module without exceptions."""
        out = bytearray(b"\0asm\1\0\0\0")
        for number, contents in self.sections:
            if number == TAG:
                continue
            if number == TYPE:
                contents = encode(len(self.types)) + b"".join(encode_type(*each) for each in self.types)
            elif number == IMPORT:
                contents = encode(len(self.imports)) + b"".join(self.imports)
            elif number == GLOBAL:
                count, rest = self.globals
                contents = encode(count + 2) + rest + b"\x7f\1\x41\0\x0b" * 2
            elif number == CODE:
                bodies = [self.lower(self.imported_functions + i) for i in range(len(self.functions))]
                contents = encode(len(bodies)) + b"".join(encode(len(b)) + b for b in bodies)
            out += bytes([number]) + encode(len(contents)) + contents
        return bytes(out)


def encode_type(parameters, results):
    parts = [part.replace(bytes([EXNREF]), bytes([I32])) for part in (parameters, results)]
    return b"\x60" + b"".join(encode(len(part)) + part for part in parts)


def own_tags(section):
    count, at = unsigned(section, 0)
    tags = []
    for _ in range(count):
        tag, at = unsigned(section, at + 1)
        tags.append(tag)
    return tags


def handler_of(body, at):
    """Returns the label of the first catch clause of a try_table, and how many values it passes."""
    count, at = unsigned(body, at)
    if count == 0:
        return None
    kind = body[at]
    if kind in (0, 1):  # with a tag
        _, at = unsigned(body, at + 1)
    else:
        at += 1
    return unsigned(body, at)[0], (1, 2, 0, 1)[kind]


def addressed(elements, exports):
    """Returns the functions that may be called through the table: those of its segments, and exports."""
    found = set()
    count, at = unsigned(elements, 0)
    for _ in range(count):
        flags, at = unsigned(elements, at)
        if flags != 0:
            raise ValueError(f"element segment of kind {flags} is not supported")
        for opcode, _, _, at in wasm_code.instructions(elements, at):
            if opcode == END:
                break
        size, at = unsigned(elements, at)
        for _ in range(size):
            function, at = unsigned(elements, at)
            found.add(function)
    count, at = unsigned(exports, 0)
    for _ in range(count):
        _, at = wasm_code.name(exports, at)
        kind = exports[at]
        index, at = unsigned(exports, at + 1)
        if kind == 0:
            found.add(index)
    return found


def lower_file(path):
    """Rewrites a file; returns how many of its functions may throw."""
    with open(path, "rb") as file:
        module = Module(file.read())
    if not module.has_tag:
        return 0
    with open(path, "wb") as file:
        file.write(module.encode())
    return len(module.throwing)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(argument, lower_file(argument))
