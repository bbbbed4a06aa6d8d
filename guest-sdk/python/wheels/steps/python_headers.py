"""Finds the C headers of CPython 3.14, which no package of PyPI has.

In this order: the folder in $KEYNET_PYTHON_HEADERS, the headers of a python3.14 on this machine, Debian's package for
development, which is downloaded and unpacked, not installed.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys

WORK = os.environ["WORK"]
DEBIAN_RELEASE, PACKAGE = "forky", "libpython3.14-dev"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SEEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../sources/python-headers.sha256")
HELP = "install python3.14 with its headers (for example `uv python install 3.14`, or python3.14-dev), or set KEYNET_PYTHON_HEADERS to a folder with its Python.h"


def of_this_machine():
    """Returns the folder of headers that the user names, or that a python3.14 has."""
    named = os.environ.get("KEYNET_PYTHON_HEADERS")
    if named:
        if not os.path.exists(f"{named}/Python.h"):
            sys.exit(f"KEYNET_PYTHON_HEADERS={named} has no Python.h: name the folder that has it, or unset the variable")
        return named
    if shutil.which("python3.14"):
        ask = "import sysconfig; print(sysconfig.get_path('include'))"
        answer = subprocess.run(["python3.14", "-c", ask], capture_output=True, text=True)
        if answer.returncode == 0 and os.path.exists(f"{answer.stdout.strip()}/Python.h"):
            return answer.stdout.strip()
    return None


def from_debian():
    """Unpacks Debian's package; returns its folder of headers."""
    if not (shutil.which("apt-get") and shutil.which("dpkg") and os.path.exists(KEYRING)):
        sys.exit(f"the headers of CPython 3.14 are neither here nor had from Debian on this machine: {HELP}")
    root = f"{WORK}/apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    sites = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=True).stdout.split()
    mirror = next((site for site in sites if site.rstrip("/").endswith("/debian")), None)
    if mirror is None:
        sys.exit(f"apt on this machine has no mirror of Debian: {HELP}")
    with open(f"{root}/sources.list", "w") as file:
        file.write(f"deb [signed-by={KEYRING}] {mirror} {DEBIAN_RELEASE} main\n")
    options = {"Dir::State::Lists": f"{root}/lists", "Dir::Cache": f"{root}/cache", "Dir::Etc::SourceList": f"{root}/sources.list",
               "Dir::Etc::SourceParts": "/dev/null", "Dir::Etc::PreferencesParts": "/dev/null", "APT::Sandbox::User": "root"}
    apt = ["apt-get", "-qq", *(x for name, value in options.items() for x in ("-o", f"{name}={value}"))]
    for command in (["update"], ["download", PACKAGE]):
        result = subprocess.run([*apt, *command], cwd=root, capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"apt-get {' '.join(command)} of Debian {DEBIAN_RELEASE} failed: {result.stderr.strip()}\n{HELP}")
    package = next(name for name in os.listdir(root) if name.endswith(".deb"))
    subprocess.run(["dpkg", "-x", f"{root}/{package}", f"{root}/root"], check=True)
    return f"{root}/root/usr/include/python3.14"


def set_version(path):
    """Makes patchlevel.h say 3.14.0, whichever 3.14 it came from: the binary interface is the same in all of them."""
    with open(path) as file:
        text = file.read()
    if not re.search(r"define PY_MINOR_VERSION\s+14\b", text):
        sys.exit(f"{path} is not of CPython 3.14: {HELP}")
    for name, value in (("MICRO_VERSION", "0"), ("RELEASE_LEVEL", "PY_RELEASE_LEVEL_FINAL"), ("RELEASE_SERIAL", "0"), ("VERSION", '"3.14.0"')):
        text = re.sub(rf"(#define PY_{name}\s+).*", rf"\g<1>{value}", text)
    with open(path, "w") as file:
        file.write(text)


def digest(folder):
    """Returns a digest of all headers in a folder, in the order of their names."""
    total = hashlib.sha256()
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if name.endswith(".h") and name != "pyconfig.h":
                with open(os.path.join(parent, name), "rb") as file:
                    total.update(name.encode() + b"\0" + hashlib.sha256(file.read()).digest())
    return total.hexdigest()


def install(destination):
    """Copies the headers to DESTINATION/python3.14."""
    folder = f"{destination}/python3.14"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(of_this_machine() or from_debian(), folder, ignore=shutil.ignore_patterns("numpy", "pyconfig*"))
    set_version(f"{folder}/patchlevel.h")
    with open(SEEN) as file:
        seen = file.read().strip()
    if digest(folder) != seen:
        print(f"note: these headers of CPython 3.14 ({digest(folder)}) are not those that the wheels were checked with ({seen}):"
              " the wheels may differ from those of other machines", file=sys.stderr)
