"""Gives functions in C the parameters with which CPython calls them. On other processors a parameter more or less does no harm;
WebAssembly ends the instance at such a call."""

import os

NUMPY = {
    "numpy/_core/src/multiarray/scalartypes.c.src": [("gentype___copy__(PyObject *self)", "gentype___copy__(PyObject *self, PyObject *NPY_UNUSED(ignored))")],
    "numpy/_core/src/multiarray/array_converter.c": [
        ("array_converter_get_scalar_input(PyArrayArrayConverterObject *self)", "array_converter_get_scalar_input(PyArrayArrayConverterObject *self, void *NPY_UNUSED(ignored))")],
    "numpy/_core/src/multiarray/array_method.c": [
        ("boundarraymethod__supports_unaligned(PyBoundArrayMethodObject *self)", "boundarraymethod__supports_unaligned(PyBoundArrayMethodObject *self, void *NPY_UNUSED(ignored))")],
    "numpy/_core/src/multiarray/convert_datatype.c": [
        ("_get_castingimpl(PyObject *NPY_UNUSED(module), PyObject *args)", "_get_castingimpl(PyObject *NPY_UNUSED(module), PyObject *args, PyObject *NPY_UNUSED(kwds))")],
    "numpy/_core/src/multiarray/convert_datatype.h": [
        ("_get_castingimpl(PyObject *NPY_UNUSED(module), PyObject *args)", "_get_castingimpl(PyObject *NPY_UNUSED(module), PyObject *args, PyObject *NPY_UNUSED(kwds))")],
    "numpy/_core/src/multiarray/_multiarray_tests.c.src": [
        ("printf_float_g(PyObject *NPY_UNUSED(dummy), PyObject *args, PyObject *kwds)", "printf_float_g(PyObject *NPY_UNUSED(dummy), PyObject *args)")],
    "numpy/_core/src/umath/_scaled_float_dtype.c": [
        ("sfloat___reduce__(PyArray_SFloatDescr *self)", "sfloat___reduce__(PyArray_SFloatDescr *self, PyObject *NPY_UNUSED(ignored))")],
}
PILLOW = {
    "src/_imaging.c": [
        ("ExportArrowSchemaPyCapsule(ImagingObject *self)", "ExportArrowSchemaPyCapsule(ImagingObject *self, PyObject *args)"),
        ("ExportArrowArrayPyCapsule(ImagingObject *self)", "ExportArrowArrayPyCapsule(ImagingObject *self, PyObject *args)")],
}


def correct(source, corrections):
    """Changes the files of a source tree; the sources must be those for which the corrections were written."""
    for name, pairs in corrections.items():
        path = os.path.join(source, name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for old, new in pairs:
            if new in text:
                continue
            if text.count(old) != 1:
                raise SystemExit(f"{path} has {text.count(old)} definitions of {old}: adapt steps/signatures.py to this version")
            text = text.replace(old, new)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
