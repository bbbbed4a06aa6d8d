"""Turns results into JSON and back, and compares those of the sandbox with those of CPython."""

import base64
import math

import numpy as np
from PIL import Image


def encode(value):
    """Returns a value that json can write, with the type of each array, picture and number."""
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return {"list": [encode(v) for v in value.ravel().tolist()], "shape": value.shape}
        value = np.asarray(value)
        return {"array": base64.b64encode(value.tobytes()).decode(), "dtype": np.lib.format.dtype_to_descr(value.dtype), "shape": value.shape}
    if isinstance(value, np.generic):
        return {"scalar": encode(np.asarray(value))}
    if isinstance(value, Image.Image):
        return {"picture": base64.b64encode(value.tobytes()).decode(), "mode": value.mode, "size": value.size}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, (tuple, list)):
        return {"items": [encode(v) for v in value]}
    if isinstance(value, dict):
        return {"keys": [[str(k), encode(v)] for k, v in value.items()]}
    if value is None or isinstance(value, (bool, int, str)):
        return {"value": value}
    raise TypeError(f"a check returned a {type(value).__name__}")


def array(encoded):
    descr = encoded["dtype"]
    if isinstance(descr, list):
        descr = [tuple(tuple(x) if isinstance(x, list) else x for x in field) for field in descr]
    return np.frombuffer(base64.b64decode(encoded["array"]), dtype=np.dtype(descr)).reshape(encoded["shape"])


def difference(found, wanted, tolerance):
    """Returns how two encoded results differ, or None. `tolerance` is relative for numbers, in levels for pictures."""
    if found.keys() != wanted.keys():
        return f"{sorted(found)} in place of {sorted(wanted)}"
    if "scalar" in wanted:
        return difference(found["scalar"], wanted["scalar"], tolerance)
    if "items" in wanted or "list" in wanted:
        name = "items" if "items" in wanted else "list"
        if len(found[name]) != len(wanted[name]):
            return f"{len(found[name])} items in place of {len(wanted[name])}"
        return next((d for f, w in zip(found[name], wanted[name]) if (d := difference(f, w, tolerance))), None)
    if "keys" in wanted:
        if [k for k, _ in found["keys"]] != [k for k, _ in wanted["keys"]]:
            return f"keys {found['keys']} in place of {wanted['keys']}"
        return next((f"{k}: {d}" for (k, f), (_, w) in zip(found["keys"], wanted["keys"]) if (d := difference(f, w, tolerance))), None)
    if "float" in wanted:
        f, w = float(found["float"]), float(wanted["float"])
        same = f == w or (math.isnan(f) and math.isnan(w)) or math.isclose(f, w, rel_tol=tolerance, abs_tol=tolerance)
        return None if same else f"{f} in place of {w}"
    if "array" in wanted:
        return array_difference(array(found), array(wanted), tolerance)
    if "picture" in wanted:
        if (found["mode"], found["size"]) != (wanted["mode"], wanted["size"]):
            return f"{found['mode']} {found['size']} in place of {wanted['mode']} {wanted['size']}"
        f, w = (np.frombuffer(base64.b64decode(e["picture"]), dtype=np.uint8).astype(int) for e in (found, wanted))
        most = int(np.abs(f - w).max(initial=0))
        return f"pixels differ by up to {most}" if most > tolerance else None
    return None if found == wanted else f"{str(found)[:200]} in place of {str(wanted)[:200]}"


def array_difference(found, wanted, tolerance):
    if found.dtype.kind == "i" and wanted.dtype == np.int64 and found.dtype == np.int32:
        found = found.astype(np.int64)  # the default integer and indices have 32 bits in the sandbox
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return f"{found.dtype} {found.shape} in place of {wanted.dtype} {wanted.shape}"
    if wanted.dtype.kind in "fc" and tolerance:
        scale = np.nanmax(np.abs(wanted[np.isfinite(wanted)]), initial=1.0)
        if np.allclose(found, wanted, rtol=tolerance, atol=tolerance * float(scale), equal_nan=True):
            return None
        return f"numbers differ by up to {np.nanmax(np.abs(found - wanted))}"
    return None if found.tobytes() == wanted.tobytes() else f"{found.ravel()[:8]} in place of {wanted.ravel()[:8]}"
