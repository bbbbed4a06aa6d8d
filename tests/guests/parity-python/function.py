"""What every language's SDK must do alike, in Python: `do` names the part. tests/parity/README.md says what each part answers."""

import logging
import os
import sys
from dataclasses import dataclass
from typing import Annotated

import errors
import machine
import tensors
from keynet_inference import InvalidError, UserInput, keynet_function

runs = 0


@dataclass
class Args:
    do: Annotated[str, "The part."]
    whole: int | None = None
    fraction: float | None = None
    flag: bool | None = None
    text: str | None = None


@keynet_function("parity-python", description="Does what every SDK must do alike.")
def main(args: Args):
    try:
        part = PARTS[args.do]
    except KeyError:
        raise InvalidError(f"there is no part `{args.do}`") from None
    return part(args)


def kinds(_):
    names = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return {name: names[type(value)] for name, value in UserInput.get_current().items() if name != "do"}


def defaults(_):
    return {
        "sent": UserInput.get("sent", 0.5),
        "missing": UserInput.get("missing", 0.5),
        "flag": UserInput.get("flag", False),
        "text": UserInput.get("text", "none"),
    }


def crash(_):
    raise RuntimeError("the box is empty: 상자")  # crashes here


def log(_):
    print("to standard output")
    print("to standard error", file=sys.stderr)
    print("한국어, ü and \U0001f600")
    logger = logging.getLogger("parity")
    logger.debug("finely")
    logger.info("informed")
    logger.warning("warned")
    logger.error("wrong")
    print("without an end", end="")
    return {}


def count_runs(_):
    global runs
    runs += 1
    return {"runs": runs}


PARTS = {
    "echo": lambda _: dict(UserInput.get_current()),
    "kinds": kinds,
    "defaults": defaults,
    "typed": lambda args: {"whole": args.whole, "fraction": args.fraction, "flag": args.flag, "text": args.text},
    "array": lambda _: [1, "two", {"three": 3}],
    "not-json": lambda _: {"picture": {(1, 2): 3}},
    "crash": crash,
    "raise": lambda _: errors.raise_kind(UserInput.get("kind"), UserInput.get("message")),
    "catch": lambda _: errors.catch(UserInput.get("call")),
    "tensor": lambda _: tensors.through(),
    "big-tensor": lambda _: tensors.big(),
    "of-another-type": lambda _: tensors.of_another_type(),  # not in the table: only Python has arrays that know their type
    "log": log,
    "environment": lambda _: {name: os.environ.get(name) for name in UserInput.get("names")},
    "fresh": lambda _: machine.fresh(),
    "runs": count_runs,
    "files": lambda _: machine.files(),
    "allocate": lambda _: machine.allocate(),
    "compute": lambda _: machine.compute(),
    "sleep": lambda _: machine.sleep(),
    "recurse": lambda _: {"depth": machine.recurse(0)},
    "exit": lambda _: sys.exit(3),
}
