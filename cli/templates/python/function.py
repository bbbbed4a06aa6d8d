"""{{name}}: an inference action."""

from dataclasses import dataclass
from typing import Annotated

from keynet_inference import InvalidError, keynet_function


@dataclass
class Args:
    """The parameters that callers send."""

    name: Annotated[str, "Who is greeted."]
    word: Annotated[str, "The word that greets."] = "Hello"


@keynet_function("{{name}}", description="Greets a person by name.")
def main(args: Args):
    if not args.name:
        raise InvalidError("the parameter `name` is empty")
    print(f"greeting {args.name}")
    return {"greeting": f"{args.word}, {args.name}!"}
