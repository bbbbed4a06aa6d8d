"""What a build reports, and what it finds to import: the parts of it that need no component."""

import importlib
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from keynet_inference import _build, _late_imports

SCANNER = Path(__file__).parents[1] / "toolchain" / "late_imports.py"


@pytest.fixture(scope="module")
def scanner():
    spec = importlib.util.spec_from_file_location("late_imports", SCANNER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        importlib.invalidate_caches()
        return tmp_path

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def failure(folder: Path, name: str) -> dict:
    with pytest.raises(BaseException) as caught:
        _build.find(importlib.import_module(name))
    return _build.report(caught.value, str(folder))


def test_a_syntax_error_is_its_line(project):
    told = failure(project(broken="x = 1\nif x = 2:\n    pass\n"), "broken")
    assert (told["kind"], told["where"]) == ("syntax", "broken.py, line 2")
    assert told["text"].startswith("SyntaxError: ") and "if x = 2:" in told["text"] and "File" not in told["text"]


def test_a_syntax_error_of_another_module_of_the_project_is_that_modules(project):
    told = failure(project(whole="import broken_helper\n", broken_helper="def (:\n"), "whole")
    assert (told["kind"], told["where"]) == ("syntax", "broken_helper.py, line 1")


def test_a_missing_module_is_named_with_what_imports_it(project):
    told = failure(project(lonely="import os\nimport no_such_package.part\n"), "lonely")
    assert (told["kind"], told["name"], told["where"]) == ("module", "no_such_package", "lonely.py, line 2")


def test_an_exception_has_the_users_frames_alone(project):
    told = failure(project(raising="def load():\n    raise KeyError('label')\n\n\nload()\n"), "raising")
    assert told["kind"] == "exception" and told["text"].endswith("KeyError: 'label'")
    assert [line.strip() for line in told["text"].splitlines() if 'File "raising' in line] == [
        'File "raising.py", line 5, in <module>',
        'File "raising.py", line 2, in load',
    ]


def test_a_module_without_a_function_says_how_to_write_one(project):
    told = failure(project(bare="def main(args):\n    return {}\n"), "bare")
    assert told == {"kind": "action", "text": 'bare.py has no function with @keynet_function: put @keynet_function("my-action") before `def main(args):`'}


def test_imports_in_functions_are_found(project, scanner):
    text = (
        "import json\n"
        "def f():\n    import a.b, c\n    from . import d\n    from .e import g\n    def inner():\n        from x import *\n"
        "    importlib.import_module('h')\n    __import__(name)\n    return lambda: __import__('i')\n"
        "TEXT = open('x', encoding='cp949').read().encode('euc-kr')\n"
    )
    found = scanner.scan(project(pkg__mod=text, pkg__other="x = = 1\n", plain="import json\n"))
    assert found["modules"] == {"pkg/mod.py": ["a.b", "c", "h", "i", "pkg", "pkg.d", "pkg.e", "pkg.e.g", "x"]}
    assert found["encodings"] == ["cp949", "euc-kr"]


def test_what_is_found_is_imported_for_modules_that_are_loaded(project, scanner, tmp_path_factory):
    folder = project(
        start="def f():\n    import second_late\n", second_late="def g():\n    import third_late, no_such_module\n", third_late="", unused="def h():\n    import never_late\n", never_late=""
    )
    lists = tmp_path_factory.mktemp("lists") / "late.json"
    lists.write_text(json.dumps(scanner.scan(folder)))
    importlib.import_module("start")
    _late_imports.load({str(folder): str(lists)})
    assert {"second_late", "third_late"} <= set(sys.modules) and "never_late" not in sys.modules


def test_tools_are_left_out_for_packages():
    assert _late_imports._is_not_needed("numpy.testing") and _late_imports._is_not_needed("numpy.linalg.tests.test_linalg")
    assert not _late_imports._is_not_needed("numpy.random") and not _late_imports._is_not_needed("testing")
