"""Reads the parts of WebAssembly modules that lower_exceptions.py changes: sections, instructions and numbers."""


def unsigned(data, at):
    """Reads an unsigned LEB128 number; returns it and the position after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def skip_number(data, at):
    while data[at] >= 0x80:
        at += 1
    return at + 1


def encode(value):
    """Encodes an unsigned LEB128 number."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def sections(module):
    """Yields the number and the contents of each section."""
    if module[:8] != b"\0asm\1\0\0\0":
        raise ValueError("not a WebAssembly module")
    at = 8
    while at < len(module):
        number = module[at]
        size, at = unsigned(module, at + 1)
        yield number, module[at:at + size]
        at += size


def name(data, at):
    size, at = unsigned(data, at)
    return data[at:at + size].decode(), at + size


def function_types(section):
    """Returns the parameter and result types of each function type, as bytes."""
    count, at = unsigned(section, 0)
    types = []
    for _ in range(count):
        if section[at] != 0x60:
            raise ValueError(f"type {section[at]:#x} is not a function type")
        parameters, at = unsigned(section, at + 1)
        first, at = section[at:at + parameters], at + parameters
        results, at = unsigned(section, at)
        types.append((first, section[at:at + results]))
        at += results
    return types


def imports(section):
    """Yields kind, description (such as a type's index) and the encoded import of each import."""
    count, at = unsigned(section, 0)
    for _ in range(count):
        start = at
        _, at = name(section, at)
        _, at = name(section, at)
        kind = section[at]
        at += 1
        if kind in (0, 4):  # a function or a tag
            at += kind == 4
            description, at = unsigned(section, at)
        else:
            description = None
            at += kind != 2  # a table's element type, a global's type
            flags = section[at]
            at += 1
            if kind != 3:  # limits
                at = skip_number(section, at)
                if flags & 1:
                    at = skip_number(section, at)
        yield kind, description, section[start:at]


def instructions(code, at):
    """Yields opcode, start, position of the immediates and end of each instruction of a function."""
    while at < len(code):
        start, opcode = at, code[at]
        at += 1
        immediates = at
        if 0x45 <= opcode <= 0xC4 or opcode in (0x00, 0x01, 0x05, 0x0A, 0x0B, 0x0F, 0x1A, 0x1B, 0xD1):
            pass
        elif 0x28 <= opcode <= 0x3E:
            at = skip_memory_argument(code, at)
        elif opcode in (0x02, 0x03, 0x04, 0x08, 0x0C, 0x0D, 0x10, 0x3F, 0x40, 0x41, 0x42, 0xD0, 0xD2) or 0x20 <= opcode <= 0x26:
            at = skip_number(code, at)
        elif opcode == 0x43:
            at += 4
        elif opcode == 0x44:
            at += 8
        elif opcode == 0x11:
            at = skip_number(code, skip_number(code, at))
        elif opcode == 0x0E:
            count, at = unsigned(code, at)
            for _ in range(count + 1):
                at = skip_number(code, at)
        elif opcode == 0x1C:
            count, at = unsigned(code, at)
            at += count
        elif opcode == 0x1F:
            at = skip_number(code, at)
            count, at = unsigned(code, at)
            for _ in range(count):
                has_tag = code[at] in (0, 1)
                at = skip_number(code, at + 1)
                if has_tag:
                    at = skip_number(code, at)
        elif opcode == 0xFC:
            operation, at = unsigned(code, at)
            for _ in range((0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1)[max(0, operation - 7)]):
                at = skip_number(code, at)
        elif opcode == 0xFD:
            operation, at = unsigned(code, at)
            if operation <= 11 or 84 <= operation <= 93:
                at = skip_memory_argument(code, at)
                at += 84 <= operation <= 91
            elif operation in (12, 13):
                at += 16
            elif 21 <= operation <= 34:
                at += 1
        else:  # among them: try of the older exceptions, calls in tail position, threads
            raise ValueError(f"instruction {opcode:#x} is not supported")
        yield opcode, start, immediates, at


def skip_memory_argument(code, at):
    flags, at = unsigned(code, at)
    if flags & 0x40:
        at = skip_number(code, at)
    return skip_number(code, at)
