"""The smallest action: a name in, a greeting out."""

from dataclasses import dataclass
from typing import Annotated

from keynet_inference import keynet_function


@dataclass
class Args:
    name: Annotated[str, "Who is greeted."]


@keynet_function("hello-python", description="Greets a person by name.")
def main(args: Args):
    return {"greeting": f"Hello, {args.name}!"}
