"""Operations of numpy that code around models uses: each function's result must be that of CPython with the published wheel."""

import copy
import io
import pickle

import numpy as np
import numpy.lib.recfunctions

OPERATIONS = {}


def operation(tolerance=0.0):
    def register(function):
        OPERATIONS["numpy." + function.__name__] = (function, tolerance)
        return function
    return register


def ramp(*shape, dtype=np.float64):
    """Returns an array without symmetry: an irregular, fixed sequence of numbers between -1 and 1."""
    n = np.arange(int(np.prod(shape)), dtype=np.float64)
    return ((n * 0.6180339887 % 1.0) * 2 - 1).reshape(shape).astype(dtype)


@operation()
def dtypes():
    kinds = "b i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8 c8 c16 S5 U5 M8[s] m8[ms]".split()
    return [(np.dtype(k).name, np.dtype(k).itemsize, np.dtype(k).kind) for k in kinds]


@operation()
def casts():
    values = np.array([-300.7, -1.5, -0.5, 0.0, 0.5, 1.5, 200.9, 3e9])
    return [values[1:7].astype(t) for t in ("i1", "i2", "i4", "i8", "f2", "f4", "?")] + [values.astype("i8"), values.astype("c8"), values.astype("U8")]


@operation()
def half_floats():
    a = ramp(100).astype(np.float16)
    return [a, a * 3, a + np.float16(1), a.astype(np.float32), a.sum(), np.frombuffer(a.tobytes(), np.uint16)]


@operation()
def promotion():
    pairs = [("u1", "i1"), ("i4", "f4"), ("i8", "f4"), ("u8", "i8"), ("f2", "c8"), ("?", "u1")]
    return [np.result_type(*p).name for p in pairs] + [(np.uint8(200) + np.uint8(100)), (np.float32(1) + 1).dtype.name]


@operation()
def views():
    a = np.arange(24).reshape(2, 3, 4)
    b = a[:, ::-1, 1:3]
    c = a.transpose(2, 0, 1)
    d = a.reshape(6, 4).T
    b[0, 0, 0] = 100
    return [a, b, c, d, b.base is not None, c.flags["C_CONTIGUOUS"], np.ascontiguousarray(c)]


@operation()
def broadcasting():
    a, b = ramp(3, 1, 5), ramp(4, 1)
    return [a + b, a * b, np.broadcast_to(ramp(3), (2, 3)), np.expand_dims(a, 0).shape, np.squeeze(a).shape, np.broadcast_shapes((3, 1), (1, 4))]


@operation()
def masks():
    a = ramp(10, 10)
    m = a > 0.25
    b = a.copy()
    b[m] = 0
    return [a[m], b, np.where(m, a, -a), np.nonzero(m), np.argwhere(m), m.sum(), np.count_nonzero(m, axis=0), a[m & (a < 0.5)], ~m, m.any(1), m.all(0)]


@operation()
def fancy_indexing():
    a = ramp(6, 7)
    out = a.copy()
    np.add.at(out, ([0, 0, 1], [2, 2, 3]), 10)
    np.put_along_axis(out, np.argmax(out, axis=1)[:, None], 0, axis=1)
    return [a[[1, 3, 5]], a[:, [0, 0, 6]], a[np.ix_([0, 2], [1, 4])], a[[0, 1], [2, 3]], out, np.take(a, [5, 1], axis=0), np.take_along_axis(a, np.argsort(a, axis=1), axis=1)]


@operation()
def sorting():
    a = ramp(1000)
    b = (a * 10).astype(int)
    return [np.sort(a), np.argsort(a), np.argsort(b, kind="stable"), np.sort(a.reshape(10, 100), axis=0), np.partition(a, 10)[10], np.sort(np.argpartition(a, 20)[:20]),
            np.lexsort((a, b)), np.searchsorted(np.sort(a), [0, 0.5]), np.unique(b, return_counts=True, return_inverse=True), np.sort(a.astype("f4"))[::-1], np.sort(a.astype("f2")), np.sort(b.astype("u1")), np.sort(b.astype("i2"))]


@operation()
def strings():
    a = np.array(["cat", "dog", "bird"])
    return [np.char.upper(a), np.sort(a), np.strings.str_len(a), a == "dog", np.unique(np.array(["b", "a", "b"])), a.astype("S"), np.array(["a", "ü"]).astype(np.dtypes.StringDType()).tolist()]


@operation(1e-13)
def reductions():
    a = ramp(7, 11, 13)
    return [a.sum(), a.sum(axis=(0, 2)), a.mean(1), a.std(), a.var(axis=0, ddof=1), a.min(2), a.max(), a.argmax(1), a.argmin(), np.median(a), np.percentile(a, [5, 50, 95]),
            np.cumsum(a, axis=1), np.prod(a[:2, :2]), np.ptp(a), np.average(a, weights=np.abs(a)), np.quantile(a, 0.3, axis=2), np.nanmean(np.where(a > 0.9, np.nan, a))]


@operation(1e-5)
def reductions_float32():
    a = ramp(100, 100, dtype=np.float32)
    return [a.sum(), a.mean(axis=0), a.std(axis=1), np.linalg.norm(a), a.sum(dtype=np.float64)]


@operation(1e-13)
def elementary_functions():
    a = ramp(500)
    p = np.abs(a) + 0.01
    functions = [np.exp, np.sin, np.cos, np.tan, np.tanh, np.arctan, np.sinh, np.cosh, np.expm1, np.arcsin, np.arccos, np.cbrt, np.sign, np.floor, np.rint, np.trunc, np.square]
    return [f(a) for f in functions] + [np.log(p), np.log2(p), np.log10(p), np.log1p(p), np.sqrt(p), np.power(p, a), np.arctan2(a, p), np.hypot(a, p), np.exp(a * 700), np.mod(a, 0.3), np.logaddexp(a, p)]


@operation(2e-6)
def elementary_functions_float32():
    a = ramp(500, dtype=np.float32)
    p = np.abs(a) + np.float32(0.01)
    return [np.exp(a), np.log(p), np.sin(a * 50), np.cos(a * 50), np.tanh(a), np.sqrt(p), np.power(p, a), 1 / (1 + np.exp(-a)), np.exp(a) / np.exp(a).sum()]


@operation(1e-13)
def complex_numbers():
    a = ramp(50) + 1j * ramp(50)[::-1]
    return [a * a, np.abs(a), np.angle(a), np.exp(a), np.sqrt(a), np.conj(a), a.real, a.imag, np.sort_complex(a)]


@operation()
def special_values():
    a = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0])
    with np.errstate(all="ignore"):
        return [np.isnan(a), np.isinf(a), np.nan_to_num(a), a / 0, 0 / a, np.maximum(a, -3), np.fmax(a, -3), np.sort(a), np.clip(a, -1, 1), np.signbit(a)]


@operation()
def integer_division_by_zero():
    with np.errstate(all="raise"):
        try:
            return str(np.array([1]) // np.array([0]))
        except FloatingPointError as error:
            return str(error)


@operation()
def integers():
    a = np.arange(-50, 50, dtype=np.int32)
    with np.errstate(all="ignore"):
        return [a // 7, a % 7, np.divmod(a, -3)[1], a << 3, a >> 1, a & 12, a ^ 5, ~a, np.gcd(a, 12), np.lcm(a[60:70], 4), np.bitwise_count(a), np.int8(127) + np.array([1], np.int8), np.iinfo("i8").max]


@operation(1e-12)
def products():
    a, b = ramp(30, 40), ramp(40, 20)
    return [a @ b, np.dot(a[0], a[1]), np.matmul(ramp(5, 3, 4), ramp(5, 4, 2)), np.inner(a, a), np.outer(a[0], b[0]), np.tensordot(ramp(3, 4, 5), ramp(4, 5, 6), axes=2), np.kron(a[:2, :2], b[:2, :2]), np.cross(ramp(4, 3), ramp(3)), np.vecdot(a, a)]


@operation(3e-5)
def products_float32():
    return ramp(60, 70, dtype=np.float32) @ ramp(70, 50, dtype=np.float32)


@operation(1e-12)
def einsum():
    a, b = ramp(4, 5, 6), ramp(6, 5, 3)
    return [np.einsum("ijk,kjl->il", a, b), np.einsum("ijk->kij", a), np.einsum("iij->j", ramp(5, 5, 3)), np.einsum("bij,bjk->bik", ramp(3, 4, 5), ramp(3, 5, 2), optimize=True), np.einsum("i,j,k->", *[ramp(4)] * 3)]


@operation(1e-9)
def linear_algebra():
    a = ramp(12, 12) + 4 * np.eye(12)
    s = a + a.T
    b = ramp(12, 3)
    u, sv, vt = np.linalg.svd(a)
    w, v = np.linalg.eigh(s)
    q, r = np.linalg.qr(a)
    eig = np.linalg.eig(a)
    return [np.linalg.solve(a, b), np.linalg.inv(a), np.linalg.det(a), sv, u * sv @ vt, w, v @ np.diag(w) @ v.T, q @ r, np.abs(r), np.sort_complex(eig.eigenvalues), np.linalg.cholesky(a @ a.T),
            np.linalg.lstsq(a[:, :5], b, rcond=None)[0], np.linalg.pinv(a[:, :4]), np.linalg.norm(a, 2), np.linalg.matrix_rank(a), np.linalg.matrix_power(a, 3), np.linalg.slogdet(a), np.linalg.cond(a), np.linalg.eigvals(s.astype(complex)).real.sum()]


@operation(1e-4)
def linear_algebra_float32():
    a = ramp(8, 8, dtype=np.float32) + 3 * np.eye(8, dtype=np.float32)
    return [np.linalg.solve(a, ramp(8, dtype=np.float32)), np.linalg.inv(a), np.linalg.svd(a, compute_uv=False), np.linalg.eigvalsh(a + a.T)]


@operation()
def linear_algebra_errors():
    out = []
    for f in (lambda: np.linalg.inv(np.zeros((3, 3))), lambda: np.linalg.cholesky(-np.eye(2)), lambda: np.linalg.solve(np.eye(2), np.ones(3)), lambda: np.linalg.eigh(np.full((2, 2), np.nan))):
        try:
            out.append(str(f()))
        except Exception as e:
            out.append(f"{type(e).__name__}: {e}")
    return out


@operation(1e-12)
def fourier_transforms():
    a = ramp(120)
    b = ramp(16, 30)
    return [np.fft.fft(a), np.fft.ifft(a), np.fft.rfft(a), np.fft.irfft(np.fft.rfft(a)), np.fft.fft(a[:97]), np.fft.fft2(b), np.fft.ifftn(b), np.fft.fftshift(a), np.fft.fftfreq(9, 0.1), np.fft.rfft(b, axis=0), np.fft.hfft(a[:20])]


@operation(1e-5)
def fourier_transforms_float32():
    return np.fft.rfft(ramp(400, dtype=np.float32))


@operation(1e-12)
def random_generator():
    r = np.random.default_rng(42)
    return [r.random(20), r.integers(0, 1000, 30), r.normal(size=20), r.choice(50, 10, replace=False), r.permutation(20), r.uniform(-1, 1, 5), r.exponential(size=10), r.gamma(2.0, size=10), r.beta(0.5, 2, 10), r.poisson(4, 10),
            r.binomial(20, 0.3, 10), r.multivariate_normal([0, 1], [[1, 0.5], [0.5, 2]], 4), r.dirichlet([1, 2, 3]), r.standard_t(3, 5), r.random(5, dtype=np.float32), r.bytes(8), r.integers(0, 255, 10, dtype=np.uint8)]


@operation(1e-12)
def random_legacy():
    r = np.random.RandomState(7)
    np.random.seed(3)
    return [r.rand(5), r.randn(5), r.randint(0, 100, 10), r.permutation(9), np.random.rand(3), np.random.choice(["a", "b", "c"], 5), np.random.normal(0, 2, 4)]


@operation()
def random_bit_generators():
    return [np.random.Generator(g(5)).integers(0, 2**63, 4) for g in (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)]


@operation()
def buffers():
    raw = bytes(range(48))
    a = np.frombuffer(raw, dtype="<f4", count=6, offset=8)
    b = np.frombuffer(bytearray(raw), dtype=">i2")
    b[0] = 7
    record = np.frombuffer(raw, dtype=[("id", "<u4"), ("box", "<f4", (2,))])
    return [a, b, record["id"], record["box"], a.tobytes(), memoryview(np.arange(4, dtype="i4")).tolist(), np.asarray(memoryview(raw)[4:8])]


@operation()
def save_and_load():
    a, b = ramp(3, 4), np.array(["x", "yy"])
    one = io.BytesIO()
    np.save(one, a)
    many = io.BytesIO()
    np.savez_compressed(many, a=a, b=b)
    loaded = np.load(io.BytesIO(many.getvalue()))
    text = io.StringIO()
    np.savetxt(text, a, fmt="%.6f", delimiter=",")
    return [one.getvalue(), np.load(io.BytesIO(one.getvalue())), sorted(loaded.files), loaded["a"], loaded["b"], text.getvalue(), np.loadtxt(io.StringIO(text.getvalue()), delimiter=","), np.genfromtxt(io.StringIO("1,2\n3,nan"), delimiter=",")]


@operation()
def shapes():
    a = np.arange(12).reshape(3, 4)
    return [np.concatenate([a, a], 1), np.stack([a, a], -1), np.vstack([a, a]), np.hstack([a, a]), np.split(a, 2, axis=1), np.tile(a, (1, 2)), np.repeat(a, 2, 0), np.pad(a, 1, mode="reflect"), np.pad(a, ((0, 1), (2, 0))), np.rot90(a), np.flip(a, 1), np.roll(a, 2, 1),
            np.moveaxis(a[None], 0, -1), np.swapaxes(a, 0, 1), np.atleast_3d(a).shape, np.delete(a, 1, 0), np.insert(a, 1, 9, 1), np.meshgrid([1, 2], [3, 4, 5]), np.diff(a), np.triu(a), np.diag(a), np.array_split(np.arange(7), 3), np.block([[a, a], [a, a]])]


@operation(1e-12)
def signals():
    a = ramp(64)
    return [np.convolve(a, [1, 2, 3], "same"), np.correlate(a, a[:5]), np.interp([0.5, 2.5], [0, 1, 2, 3], a[:4]), np.hanning(9), np.gradient(a), np.histogram(a, 8), np.bincount(np.arange(20) % 6), np.digitize(a, [-0.5, 0, 0.5]), np.polyfit(np.arange(64), a, 2), np.polyval([1, 2, 3], a),
            np.trapezoid(a), np.lib.stride_tricks.sliding_window_view(a, 5).mean(1), np.linspace(0, 1, 7), np.geomspace(1, 100, 5), np.unwrap(a * 9), np.kaiser(7, 3), np.i0(a), np.sinc(a)]


@operation()
def dates():
    d = np.arange("2024-02-25", "2024-03-03", dtype="datetime64[D]")
    return [d.astype(str), (d[3] - d[0]).astype(int), d.astype("M8[s]").astype("i8"), np.busday_count("2024-01-01", "2024-02-01"), np.is_busday(d), np.datetime_as_string(d[0], unit="s")]


@operation()
def structured():
    people = np.array([("ann", 30, 1.5), ("bob", 25, 2.5)], dtype=[("name", "U5"), ("age", "i4"), ("score", "f4")])
    return [people["age"], np.sort(people, order="age")["name"], people[people["score"] > 2]["name"], people.view(np.recarray).age, np.lib.recfunctions.structured_to_unstructured(people[["age", "score"]])]


@operation()
def copying():
    scalars = [np.float64(1.5), np.float32(2), np.int64(3), np.bool_(True), np.str_("a"), np.datetime64("2024-01-01")]
    return [str(f(s)) for s in scalars for f in (copy.copy, copy.deepcopy)] + [pickle.loads(pickle.dumps(ramp(3))), copy.deepcopy({"a": ramp(2)})["a"]]


@operation()
def masked_arrays():
    m = np.ma.masked_less(ramp(5, 6), 0)
    return [m.filled(0), m.count(), m.mask, m.compressed(), m.argmax(1)]


@operation()
def printing():
    return [repr(ramp(3, 3)), str(ramp(2, 200)), np.array2string(ramp(4, dtype=np.float32), precision=3), repr(np.arange(3, dtype="u1")), repr(np.float32(0.1)), repr(np.float64(1e100)), str(np.array([True, None, "x"], dtype=object))]


@operation()
def errors():
    out = []
    for f in (lambda: np.ones(3) + np.ones(4), lambda: np.ones(3)[5], lambda: np.zeros((2, 3)).reshape(4, 2), lambda: np.array([1, 2]).astype("M8[s]") + 1.5, lambda: np.concatenate([np.ones((2, 2)), np.ones(3)]), lambda: np.load(io.BytesIO(b"nonsense")), lambda: np.fft.fft([])):
        try:
            out.append(str(f()))
        except Exception as e:
            out.append(f"{type(e).__name__}: {e}")
    return out


@operation(1e-5)
def detector_postprocessing():
    """Decodes boxes, keeps confident ones and suppresses overlaps, as detectors do."""
    predictions = ramp(300, 9, dtype=np.float32)
    boxes, scores = np.abs(predictions[:, :4]) * 600, 1 / (1 + np.exp(-predictions[:, 4:] * 6))
    classes, best = scores.argmax(1), scores.max(1)
    corners = np.stack([boxes[:, 0] - boxes[:, 2] / 2, boxes[:, 1] - boxes[:, 3] / 2, boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3] / 2], axis=1)
    keep, order = [], best.argsort(kind="stable")[::-1]
    areas = (corners[:, 2:] - corners[:, :2]).prod(1)
    while order.size:
        first, rest = order[0], order[1:]
        keep.append(first)
        overlap = np.clip(np.minimum(corners[first, 2:], corners[rest, 2:]) - np.maximum(corners[first, :2], corners[rest, :2]), 0, None).prod(1)
        order = rest[overlap / (areas[first] + areas[rest] - overlap) < 0.5]
    return [np.array(keep).astype("i4"), corners[keep], classes[keep].astype("i4"), best[keep]]
