"""Makes the models that the tests of keynet-host run: one folder each, in Triton's repository layout.

    python3 -m venv venv && venv/bin/pip install onnx==1.23.2
    venv/bin/python make.py

The results are committed; they are the same bytes every time.
"""

from pathlib import Path

import onnx
from onnx import TensorProto as T
from onnx import helper as h

HERE = Path(__file__).parent
IR_VERSION = 8
OPSET = 17


def write(name, nodes, inputs, outputs, constants=(), version=1, config=None, external=False):
    """Writes NAME/VERSION/model.onnx. Inputs and outputs are (name, element type, shape); a text in a shape is a symbol."""
    infos = [[h.make_tensor_value_info(n, kind, shape) for n, kind, shape in side] for side in (inputs, outputs)]
    graph = h.make_graph(nodes, name, *infos, initializer=list(constants))
    model = h.make_model(graph, ir_version=IR_VERSION, opset_imports=[h.make_opsetid("", OPSET)], producer_name="make.py")
    folder = HERE / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    if external:
        (folder / "model.onnx.data").unlink(missing_ok=True)
    onnx.save(model, folder / "model.onnx", save_as_external_data=external, location="model.onnx.data", size_threshold=0)
    if config is not None:
        (folder.parent / "config.pbtxt").write_text(config)


def node(kind, inputs, outputs, **attributes):
    return h.make_node(kind, inputs.split(), outputs.split(), **attributes)


def constant(name, kind, shape, values):
    return h.make_tensor(name, kind, shape, values)


# One for each element type that is supported in process, and two for unsupported types.
for kind, onnx_kind in {
    "bool": T.BOOL,
    "uint8": T.UINT8,
    "int8": T.INT8,
    "int32": T.INT32,
    "int64": T.INT64,
    "fp16": T.FLOAT16,
    "fp32": T.FLOAT,
    "fp64": T.DOUBLE,
    "int16": T.INT16,
    "bytes": T.STRING,
}.items():
    write(f"identity_{kind}", [node("Identity", "in", "out")], [("in", onnx_kind, ["n", "m"])], [("out", onnx_kind, ["n", "m"])])

# A scalar in, a scalar out.
write("scalar", [node("Neg", "in", "out")], [("in", T.FLOAT, [])], [("out", T.FLOAT, [])])

# Triton's own first example: two inputs, two outputs, a batch of at most 8.
write(
    "add_sub",
    [node("Add", "INPUT0 INPUT1", "OUTPUT0"), node("Sub", "INPUT0 INPUT1", "OUTPUT1")],
    [(name, T.FLOAT, ["batch", 16]) for name in ("INPUT0", "INPUT1")],
    [(name, T.FLOAT, ["batch", 16]) for name in ("OUTPUT0", "OUTPUT1")],
    config="""\
name: "add_sub"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  { name: "INPUT0" data_type: TYPE_FP32 dims: [ 16 ] },
  { name: "INPUT1" data_type: TYPE_FP32 dims: [ 16 ] }
]
output [
  { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 16 ] },
  { name: "OUTPUT1" data_type: TYPE_FP32 dims: [ 16 ] }
]
# What tunes Triton is read over:
instance_group [ { count: 1 kind: KIND_CPU } ]
dynamic_batching { max_queue_delay_microseconds: 100 }
""",
)

# A batch of any size: y = x · w.
write(
    "linear",
    [node("MatMul", "x w", "y")],
    [("x", T.FLOAT, ["batch", 3])],
    [("y", T.FLOAT, ["batch", 2])],
    [constant("w", T.FLOAT, [3, 2], [1, 2, 3, 4, 5, 6])],
)
# The same with external weights, in a file beside the graph.
write(
    "external",
    [node("MatMul", "x w", "y")],
    [("x", T.FLOAT, ["batch", 3])],
    [("y", T.FLOAT, ["batch", 2])],
    [h.make_tensor("w", T.FLOAT, [3, 2], b"".join(__import__("struct").pack("<f", v) for v in [1, 2, 3, 4, 5, 6]), raw=True)],
    external=True,
)

# Outputs of other types than the input.
write(
    "classify",
    [node("ArgMax", "scores", "class", axis=1, keepdims=0), node("Greater", "scores half", "likely")],
    [("scores", T.FLOAT, ["batch", 4])],
    [("class", T.INT64, ["batch"]), ("likely", T.BOOL, ["batch", 4])],
    [constant("half", T.FLOAT, [], [0.5])],
)

# A shape that is fixed throughout.
write("fixed", [node("Relu", "image", "out")], [("image", T.FLOAT, [1, 3, 4, 4])], [("out", T.FLOAT, [1, 3, 4, 4])])

# Three versions; each adds its number.
for version in (1, 2, 10):
    write(
        "versions",
        [node("Add", "x number", "y")],
        [("x", T.FLOAT, ["n"])],
        [("y", T.FLOAT, ["n"])],
        [constant("number", T.FLOAT, [], [version])],
        version=version,
        config="version_policy: { specific { versions: [ 1, 2 ] } }\n",
    )

# Small inputs, large results: by the shape of the input (n x n), and by its values.
write(
    "outer",
    [
        node("Unsqueeze", "x second", "column"),
        node("Unsqueeze", "x first", "row"),
        node("Mul", "column row", "product"),
        node("ReduceSum", "product both", "sum", keepdims=0),
    ],
    [("x", T.FLOAT, ["n"])],
    [("sum", T.FLOAT, [])],
    [constant("first", T.INT64, [1], [0]), constant("second", T.INT64, [1], [1]), constant("both", T.INT64, [2], [0, 1])],
)
write(
    "tile",
    [node("Tile", "x repeats", "y")],
    [("x", T.FLOAT, ["n", "m"]), ("repeats", T.INT64, [2])],
    [("y", T.FLOAT, ["a", "b"])],
)
write(
    "zeros",
    [node("Concat", "height width", "shape", axis=0), node("ConstantOfShape", "shape", "grid"), node("ReduceSum", "grid", "sum", keepdims=0)],
    [("height", T.INT64, [1]), ("width", T.INT64, [1])],
    [("sum", T.FLOAT, [])],
)

# Much computation with little memory: x^32 by repeated products.
write(
    "slow",
    [node("MatMul", f"{'x' if i == 0 else f'x{i}'} x", "y" if i == 30 else f"x{i + 1}") for i in range(31)],
    [("x", T.FLOAT, ["n", "n"])],
    [("y", T.FLOAT, ["n", "n"])],
)

# Models that cannot be loaded.
write("unknown_operator", [node("Frobnicate", "x", "y")], [("x", T.FLOAT, ["n"])], [("y", T.FLOAT, ["n"])])
write("misnamed", [node("Relu", "x", "y")], [("x", T.FLOAT, ["n"])], [("y", T.FLOAT, ["n"])], config='name: "something_else"\n')
write(
    "disagreeing",
    [node("Relu", "x", "y")],
    [("x", T.FLOAT, ["n", 3])],
    [("y", T.FLOAT, ["n", 3])],
    config='max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }\n',
)
