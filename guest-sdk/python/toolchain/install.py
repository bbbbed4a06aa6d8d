"""Runs pip as if on the Python of a component: requirements that are only for other systems or versions are left out.

pip itself takes wheels for another Python (``--platform``, ``--python-version``), but asks the one it runs on what markers such as
``sys_platform == "win32"`` mean. requirements.txt beside this file pins the pip that this works with.
"""

import sys

from pip._internal.cli.main import main
from pip._vendor.packaging import markers

TARGET = {
    "implementation_name": "cpython",
    "implementation_version": "3.14.0",
    "os_name": "posix",
    "platform_machine": "wasm32",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "wasi",
    "platform_version": "",
    "python_full_version": "3.14.0",
    "python_version": "3.14",
    "sys_platform": "wasi",
}

if __name__ == "__main__":
    markers.default_environment = lambda: dict(TARGET)
    sys.exit(main(sys.argv[1:]))
