#!/usr/bin/env python3
"""The C and C++ compiler for shared libraries that componentize-py links: zig's clang and wasm-ld.

Called as `wasm-cc`, `wasm-c++` or `wasm-ar` (scripts in $WORK/bin). Compiles position-independent code against zig's WASI
headers. A `-shared` link is done against the libraries of componentize-py, with zig's C++ runtime inside; any other link (the
checks of a configure step) against zig's own libc. Longjmp and C++ exceptions become ordinary code after the link
(lower_exceptions.py).
"""

import os
import subprocess
import sys

WORK = os.environ["WORK"]
ZIG = os.environ["ZIG"]
STEPS = os.path.dirname(os.path.realpath(__file__))

EMULATED = ["SIGNAL", "PROCESS_CLOCKS", "GETPID", "MMAN"]
COMPILE = [
    "-target", "wasm32-wasi", "-fPIC", "-g0", "-fomit-frame-pointer", "-ffunction-sections", "-fdata-sections",
    "-D_GNU_SOURCE", *(f"-D_WASI_EMULATED_{name}" for name in EMULATED),
    # Flags of floating-point errors, which WASI's fenv.h does not name (float_status.c).
    "-DFE_INVALID=1", "-DFE_DIVBYZERO=4", "-DFE_OVERFLOW=8", "-DFE_UNDERFLOW=16",
    f"-ffile-prefix-map={WORK}=.", f"-ffile-prefix-map={os.path.dirname(ZIG)}=zig", "-Wno-date-time",
    "-msimd128", "-mexception-handling", "-mllvm", "-wasm-use-legacy-eh=false",
]
C, CXX = ["-mllvm", "-wasm-enable-sjlj"], ["-fwasm-exceptions", "-fvisibility-global-new-delete=force-hidden", "-D_LIBCPP_DISABLE_VISIBILITY_ANNOTATIONS"]
LIBRARIES = ["python3.14", "wasi-emulated-process-clocks", "wasi-emulated-signal", "c"]
NO_LINK = {"-c", "-E", "-S", "-M", "-MM", "-fsyntax-only", "--version", "-v", "-dumpversion", "-dumpmachine"}


def link_shared(arguments):
    """Links objects into a shared library and lowers its exceptions."""
    output = arguments[arguments.index("-o") + 1]
    inputs = [a for a in arguments if not a.startswith("-") and a != output]
    subprocess.run(
        [ZIG, "wasm-ld", "-shared", "--experimental-pic", "--no-entry", "--gc-sections", "--strip-all", "-O2", *inputs,
         f"{WORK}/runtime/libruntime.a", f"-L{WORK}/lib", *(f"-l{name}" for name in LIBRARIES), "-o", output],
        check=True,
    )
    sys.path.insert(0, STEPS)
    import lower_exceptions
    lower_exceptions.lower_file(output)


def main():
    name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
    if name == "wasm-ar":
        os.execv(ZIG, [ZIG, "ar", *arguments])
    cxx = name == "wasm-c++"
    if "-shared" in arguments and not NO_LINK & set(arguments):
        link_shared(arguments)
        return
    flags = COMPILE + (CXX if cxx else C)
    os.execv(ZIG, [ZIG, "c++" if cxx else "cc", *flags, *arguments])


if __name__ == "__main__":
    main()
