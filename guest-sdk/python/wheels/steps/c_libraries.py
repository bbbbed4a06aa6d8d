"""zlib, libjpeg-turbo, FreeType and libwebp, compiled from the sources that crates carry.

Each function returns the library's objects and the flags with which its headers are found.
"""

import glob
import os
import re

from objects import WORK, compile_files

ZLIB = f"{WORK}/crates/libz-sys/src/zlib"
JPEG = f"{WORK}/crates/turbojpeg-sys/libjpeg-turbo"
FREETYPE = f"{WORK}/crates/freetype-sys/freetype2"
WEBP = f"{WORK}/crates/libwebp-sys/vendor"

LICENSES = {
    "zlib": f"{ZLIB}/LICENSE",
    "libjpeg-turbo": f"{JPEG}/LICENSE.md",
    "libjpeg-turbo.ijg": f"{JPEG}/README.ijg",
    "freetype": f"{FREETYPE}/LICENSE.TXT",
    "freetype.FTL": f"{FREETYPE}/docs/FTL.TXT",
    "libwebp": f"{WEBP}/COPYING",
}


def zlib():
    names = "adler32 compress crc32 deflate inffast inflate inftrees trees uncompr zutil".split()
    return compile_files("zlib", ZLIB, names, "-DHAVE_UNISTD_H"), [f"-I{ZLIB}"]


def jpeg():
    """Compiles libjpeg-turbo as its CMakeLists.txt does, without assembler code."""
    with open(f"{JPEG}/CMakeLists.txt") as file:
        lists = file.read()
    generated = f"{WORK}/objects/jpeg-headers"
    configure_jpeg(generated, jpeg_version())
    flags = [f"-I{generated}", f"-I{JPEG}/src"]

    def sources(name):
        """Returns the files of a list, and those of the lists that it names."""
        text = re.search(rf"set\({name} (.*?)\)", lists, re.S)[1]
        named = [file for other in re.findall(r"\$\{(\w+)\}", text) for file in sources(other)]
        return named + re.findall(r"(src/\S+?)\.c\b", text)

    objects = compile_files("jpeg", JPEG, sources("JPEG_SOURCES") + ["src/jaricom", "src/jcarith", "src/jdarith"], *flags)
    for bits in ("12", "16"):  # up to 3.1.0, the same files once more for each depth of samples
        if f"set(JPEG{bits}_SOURCES" in lists:
            objects += compile_files(f"jpeg{bits}", JPEG, sources(f"JPEG{bits}_SOURCES"), f"-DBITS_IN_JSAMPLE={bits}", *flags)
    return objects, flags


def jpeg_version():
    with open(f"{JPEG}/CMakeLists.txt") as file:
        return re.search(r"set\(VERSION (\d+\.\d+\.\d+)", file.read())[1]


def configure_jpeg(generated, version):
    os.makedirs(generated, exist_ok=True)
    values = {
        "JPEG_LIB_VERSION": "62", "VERSION": version, "LIBJPEG_TURBO_VERSION_NUMBER": "%d%03d%03d" % tuple(map(int, version.split("."))),
        "BUILD": "0", "HIDDEN": '__attribute__((visibility("hidden")))', "INLINE": "inline __attribute__((always_inline))",
        "THREAD_LOCAL": "", "CMAKE_PROJECT_NAME": "libjpeg-turbo", "SIZE_T": "4", "COPYRIGHT_YEAR": "2026",
    }
    enabled = {"C_ARITH_CODING_SUPPORTED", "D_ARITH_CODING_SUPPORTED", "HAVE_BUILTIN_CTZL"}
    for header in ("jconfig.h", "jconfigint.h", "jversion.h"):
        with open(f"{JPEG}/src/{header}.in") as file:
            text = file.read()
        text = re.sub(r"#cmakedefine (\w+)(.*)", lambda m: f"#define {m[1]}{m[2]}" if m[1] in enabled else "", text)
        with open(f"{generated}/{header}", "w") as file:
            file.write(re.sub(r"@(\w+)@", lambda m: values[m[1]], text))


def freetype(zlib_flags):
    """Compiles FreeType without the modules that validate tables of fonts or cache them: Pillow calls neither."""
    files = """base/ftsystem base/ftinit base/ftdebug base/ftbase base/ftbbox base/ftglyph base/ftbitmap base/ftmm base/ftstroke
        base/ftsynth base/fttype1 base/ftwinfnt base/ftcid base/ftfstype base/ftgasp base/ftpatent base/ftpfr base/ftgxval
        base/ftotval base/ftbdf autofit/autofit bdf/bdf cff/cff cid/type1cid gzip/ftgzip lzw/ftlzw pcf/pcf pfr/pfr psaux/psaux
        pshinter/pshinter psnames/psnames raster/raster sdf/sdf sfnt/sfnt smooth/smooth svg/svg truetype/truetype type1/type1
        type42/type42 winfonts/winfnt""".split()
    flags = [f"-I{FREETYPE}/include"]
    objects = compile_files("freetype", FREETYPE, [f"src/{file}" for file in files], *flags, *zlib_flags, "-DFT2_BUILD_LIBRARY",
                            "-DFT_CONFIG_OPTION_SYSTEM_ZLIB")
    return objects, flags


def webp():
    """Compiles libwebp with its plain C functions only: files for one kind of processor end in its name."""
    processors = re.compile(r"_(sse2|sse41|avx2|neon|msa|mips32|mips_dsp_r2)\.c$")
    paths = sorted(path for folder in ("src/dec", "src/demux", "src/dsp", "src/enc", "src/mux", "src/utils", "sharpyuv")
                   for path in glob.glob(f"{WEBP}/{folder}/*.c") if not processors.search(path))
    flags = [f"-I{WEBP}", f"-I{WEBP}/src"]
    return compile_files("webp", WEBP, [os.path.relpath(path, WEBP)[:-2] for path in paths], *flags), flags
