"""What instances share with each other and with the build, and what they lack."""

import limits


def test_random_numbers_differ_in_every_instance(sandbox):
    first, second = sandbox.instance()("numbers"), sandbox.instance()("numbers")
    for one, other in zip(first, second, strict=True):
        assert one != other


def test_what_a_sandbox_lacks_is_an_exception_that_says_so(shared):
    found = shared("limits")
    expected = {
        "thread": "RuntimeError: can't start new thread",
        "process": "OSError: [Errno 58]",
        "file to read": "FileNotFoundError",
        "file to write": "FileNotFoundError",
        "array from a file": "FileNotFoundError",
        "ctypes": "ModuleNotFoundError: No module named 'ctypes'",
    }
    assert found.keys() == limits.messages(None).keys()
    assert [f"{name}: {text}" for name, text in found.items() if text.startswith("no error")] == []
    for name, text in expected.items():
        assert found[name].startswith(text), f"{name}: {found[name]}"
