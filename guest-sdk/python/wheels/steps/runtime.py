"""Compiles what C and C++ code takes for granted into $WORK/runtime/libruntime.a: zig's compiler-rt, setjmp, and its C++ library
with exceptions (the one inside componentize-py has none), and flags of floating-point errors. Only what a shared library uses is linked into it."""

import os
import subprocess

WORK, ZIG = os.environ["WORK"], os.environ["ZIG"]
LIB = os.path.join(os.path.dirname(ZIG), "lib")
HERE = os.path.dirname(os.path.abspath(__file__))
SETJMP = f"{LIB}/libc/wasi/libc-top-half/musl/src/setjmp/wasm32/rt.c"
LIBCXX = "functional hash memory string verbose_abort stdexcept exception new_helpers new_handler".split()
LIBCXXABI = """cxa_exception cxa_exception_storage cxa_handlers cxa_default_handlers cxa_personality cxa_virtual cxa_vector cxa_aux_runtime
    cxa_guard fallback_malloc private_typeinfo abort_message stdlib_exception stdlib_new_delete stdlib_stdexcept stdlib_typeinfo""".split()
CXX_FLAGS = ["-std=c++23", "-D_LIBCPP_BUILDING_LIBRARY", "-D_LIBCXXABI_BUILDING_LIBRARY", "-DLIBCXX_BUILDING_LIBCXXABI",
             "-D_LIBCXXABI_HAS_NO_THREADS", "-DLIBCXXABI_NON_DEMANGLING_TERMINATE",
             *(f"-I{LIB}/{folder}" for folder in ("libcxx/src", "libcxxabi/src", "libcxxabi/include", "libunwind/include"))]


def build():
    folder = f"{WORK}/runtime"
    os.makedirs(folder, exist_ok=True)
    objects = [f"{folder}/compiler_rt.o"]
    subprocess.run([ZIG, "build-obj", f"{LIB}/compiler_rt.zig", "-target", "wasm32-wasi", "-fPIC", "-O", "ReleaseFast", "-fstrip",
                    "-ffunction-sections", "-fdata-sections", f"-femit-bin={objects[0]}"], check=True, cwd=WORK)

    def compile_one(compiler, source, *flags):
        output = f"{folder}/{os.path.basename(source)}.o"
        command = [f"{WORK}/bin/{compiler}", "-O2", "-DNDEBUG", "-w", "-fvisibility=hidden", *flags, "-c", source, "-o", output]
        subprocess.run(command, check=True)
        objects.append(output)

    compile_one("wasm-cc", SETJMP)
    compile_one("wasm-cc", f"{HERE}/exception_tags.c")
    compile_one("wasm-cc", f"{HERE}/float_status.c")
    compile_one("wasm-c++", f"{LIB}/libunwind/src/Unwind-wasm.c", "-x", "c", "-D_LIBUNWIND_HIDE_SYMBOLS", f"-I{LIB}/libunwind/include")
    for library, names in (("libcxx", LIBCXX), ("libcxxabi", LIBCXXABI)):
        for name in names:
            compile_one("wasm-c++", f"{LIB}/{library}/src/{name}.cpp", *CXX_FLAGS)
    archive = f"{folder}/libruntime.a"
    if os.path.exists(archive):
        os.remove(archive)
    subprocess.run([ZIG, "ar", "rcsD", archive, *objects], check=True)
