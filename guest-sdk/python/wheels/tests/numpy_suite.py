"""Runs numpy's own tests in the sandbox, one file to an instance, and counts what became of them.

usage: numpy_suite.py [TEST_FILE...]      (as numpy/_core/tests/test_numeric.py; default: all of FILES)
"""

import collections
import concurrent.futures
import os
import subprocess
import sys
import tempfile

import sandbox

HERE = os.path.dirname(os.path.abspath(__file__))
CORE = """numeric multiarray umath indexing ufunc scalarmath dtype einsum shape_base item_selection numerictypes records regression nditer half getlimits
    function_base casting_unittests array_coercion overrides print arrayprint scalar_methods stringdtype strings defchararray datetime conversion_utils
    indexerrors nep50_promotions umath_complex unicode longdouble""".split()
OTHERS = """lib/tests/test_function_base lib/tests/test_arraypad lib/tests/test_arraysetops lib/tests/test_index_tricks lib/tests/test_io lib/tests/test_nanfunctions
    lib/tests/test_shape_base lib/tests/test_stride_tricks lib/tests/test_twodim_base lib/tests/test_type_check lib/tests/test_ufunclike lib/tests/test_histograms lib/tests/test_format
    linalg/tests/test_linalg linalg/tests/test_regression fft/tests/test_pocketfft fft/tests/test_helper random/tests/test_generator_mt19937 random/tests/test_random random/tests/test_randomstate
    random/tests/test_smoke random/tests/test_seed_sequence ma/tests/test_core ma/tests/test_extras polynomial/tests/test_polynomial matrixlib/tests/test_defmatrix""".split()
FILES = [f"numpy/_core/tests/test_{name}.py" for name in CORE] + [f"numpy/{name}.py" for name in OTHERS]
OPTIONS = ["-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:logging", "-p", "no:threadexception", "-p", "no:unraisableexception", "--capture=sys", "-m", "not slow", "--tb=line",
           "-W", "ignore", "--hypothesis-profile=np.test() profile", "--rootdir=/1/numpy"]
LIMIT = 900  # seconds for one file


def run_file(component, site, file, skipped):
    """Runs a file in a process and instance of its own; returns its printed lines."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--one", component, site, folder, file, *skipped]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, errors="replace").stdout.splitlines()
        except subprocess.TimeoutExpired as expired:
            return (expired.stdout or b"").decode(errors="replace").splitlines()


def one(component, site, folder, file, *skipped):
    run = sandbox.Sandbox(component).instance({"/1": site, "/python": f"{os.path.dirname(site)}/stdlib", "/tmp": folder})
    run("suite", [*OPTIONS, *(f"--deselect={name}" for name in skipped), f"/1/{file}"])
    print("\n@end")


def outcomes(component, site, file):
    """Returns the outcome and the reason of each test of a file. A test that ends the instance is left out of the next try."""
    results, ended = {}, []
    for _ in range(12):
        started = None
        lines = run_file(component, site, file, ended)
        for line in lines:
            kind, _, rest = line.partition(" ")
            name, _, reason = rest.partition(" ")
            if kind == "@start":
                started = rest
            elif kind in ("@passed", "@failed", "@skipped", "@xfailed"):
                results[name] = (kind[1:], reason)
        if "@end" in lines:
            break
        if started is None:
            results[file] = ("failed", "the instance ended before the first test")
            break
        ended.append(started)
    for name in ended:
        results[name] = ("ended the instance", "")
    return file, results


def main(files):
    wheels = [os.path.join(os.environ["WHEELS"], name) for name in os.listdir(os.environ["WHEELS"]) if name.startswith("numpy")]
    with tempfile.TemporaryDirectory() as folder:
        site = sandbox.unpack(wheels, f"{folder}/site")
        tools = ["pytest==8.4.2", "hypothesis==6.140.3", "typing_extensions==4.15.0"]  # all in Python, with what they need
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", site, "--no-compile"]
        subprocess.run([*pip, *tools], check=True)
        subprocess.run([sys.executable, "-c", "import sdk; sdk.take_libraries()"], check=True, env={**os.environ, "WORK": folder, "ZIG": "", "PYTHONPATH": f"{HERE}/../steps"})
        component = f"{folder}/suite.wasm"
        sandbox.build("suite", [f"{HERE}/suite", site], component)
        sandbox.Sandbox(component)  # compiled once for all files
        total = collections.Counter()
        with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
            for file, results in pool.map(lambda f: outcomes(component, site, f), files):
                count = collections.Counter(kind for kind, _ in results.values())
                total += count
                print(f"{file}: {dict(count)}", flush=True)
                for name, (kind, reason) in results.items():
                    if kind in ("failed", "ended the instance"):
                        print(f"    {kind}: {name.rpartition('/')[2]} {reason[:150]}", flush=True)
        print(f"numpy's own tests: {total['passed']} passed, {total['failed'] + total['ended the instance']} failed, {total['skipped'] + total['xfailed']} skipped ({dict(total)})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
    else:
        main(sys.argv[1:] or FILES)
