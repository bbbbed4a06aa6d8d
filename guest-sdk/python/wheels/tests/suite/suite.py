"""The component that runs numpy's own tests: pytest inside the sandbox, with the test files in a folder that the host opens."""

import json
import os
import sys
import types

import hypothesis  # noqa: F401
import numpy
import numpy._core._multiarray_tests
import numpy._core._operand_flag_tests
import numpy._core._rational_tests
import numpy._core._struct_ufunc_tests
import numpy._core._umath_tests
import numpy.ctypeslib
import numpy.fft
import numpy.linalg.lapack_lite
import numpy.ma
import numpy.polynomial
import numpy.random
import numpy.testing
import pytest


def stand_in_for_what_pytest_and_test_modules_import():
    """Lets test modules import what is not there: only their tests that use it fail."""
    os.getuid = lambda: 0
    for name in ("ctypes", "mmap", "numpy.f2py"):
        sys.modules.setdefault(name, types.ModuleType(name))
    numpy.f2py = sys.modules["numpy.f2py"]


class Recorder:
    """Prints the outcome of each test as soon as it is known: the instance may end in the next one."""

    def pytest_runtest_logstart(self, nodeid, location):
        print(f"\n@start {nodeid}", flush=True)

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            reason = "" if report.outcome == "passed" else str(report.longrepr).strip().splitlines()[-1]
            print(f"\n@{'xfailed' if hasattr(report, 'wasxfail') else report.outcome} {report.nodeid} {reason}", flush=True)

    def pytest_collectreport(self, report):
        if report.failed:
            print(f"\n@failed {report.nodeid} {str(report.longrepr).strip().splitlines()[-1]}", flush=True)


class WitWorld:
    def run(self, name: str, input: str) -> str:
        os.environ["HOME"] = os.environ["TMPDIR"] = "/tmp"
        os.chdir("/tmp")
        sys.argv = ["pytest"]
        stand_in_for_what_pytest_and_test_modules_import()
        sys.stdout.flush()
        return json.dumps(int(pytest.main(json.loads(input), plugins=[Recorder()])))
