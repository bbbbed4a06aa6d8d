"""Models: asking them for predictions."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import _host
from ._casts import to_declared
from .errors import InvalidError, KeynetError
from .model_config import ModelConfig
from .tensor import Tensor, to_tensor


class TritonPlugin:
    """Asks the models that Triton serves, or that the host runs in process where no Triton is configured.

    ``TritonPlugin()`` asks the deployment's model (its setting ``MODEL_NAME``) unless a call names another: ``"name"``,
    ``"name:version"``, ``"models:/name/3"`` or ``"models:/name@alias"``.

    Inputs are numpy arrays or :class:`~keynet_inference.Tensor` objects by name. Outputs are numpy arrays by name; with
    ``tensors=True``, or in an action without numpy, they are tensors that stay in the host's memory. An array of numbers in
    another type than the model declares is converted where no value changes, and refused by name where one would.
    """

    def __init__(self, uri: str | None = None, *, model_name: str | None = None) -> None:
        if uri is not None:
            raise InvalidError("an action does not choose its Triton: the deployment does, by TRITON_URL; leave `uri` out")
        self.model_name = model_name

    def predict(
        self,
        df: Mapping[str, Any],
        model_name: str | None = None,
        *,
        outputs: Sequence[str] = (),
        timeout: float | None = None,
        parameters: Mapping[str, str | int | float | bool] | None = None,
        tensors: bool = False,
    ) -> dict[str, Any]:
        """Asks a model and waits for its outputs, in the model's order or in that of ``outputs``.

        ``timeout`` is in seconds; without it the call may take the time that the activation has left. ``parameters`` are
        Triton's request parameters, such as ``{"priority": 1}``.

        Raises :class:`InvalidError`: an input does not suit the model. :class:`NotFoundError`, :class:`DeniedError`: the
        model. :class:`TimedOutError`, :class:`UnavailableError`: the server. :class:`TooLargeError`: the request or its answer.
        """

        def ask(inputs: Mapping[str, Any]) -> _host.Outputs:
            request, held = self._request(inputs, model_name, outputs, timeout, parameters)
            try:
                return _host.current().predict(request)
            finally:
                _close(held)

        try:
            answer = ask(df)
        except InvalidError as error:
            answer = ask(self._as_declared(df, model_name, error))
        return _outputs(answer, tensors)

    def predict_many(
        self,
        requests: Iterable[Mapping[str, Any]],
        model_name: str | None = None,
        *,
        outputs: Sequence[str] = (),
        timeout: float | None = None,
        parameters: Mapping[str, str | int | float | bool] | None = None,
        tensors: bool = False,
        return_exceptions: bool = False,
    ) -> list[dict[str, Any]]:
        """Asks a model for every ``df`` at once, so that its server can batch them, and returns the answers in their order.

        At most 256 may go at once. Raises as :meth:`predict` the first error; with ``return_exceptions`` an error stands in
        the place of its answer.
        """

        def ask(many: list[Mapping[str, Any]]) -> list[_host.Outputs | KeynetError]:
            prepared = [self._request(df, model_name, outputs, timeout, parameters) for df in many]
            try:
                return _host.current().predict_many([request for request, _ in prepared])
            finally:
                for _, held in prepared:
                    _close(held)

        dfs = list(requests)
        answers = ask(dfs)
        again = {}
        for at, answer in enumerate(answers):
            if isinstance(answer, InvalidError):
                try:
                    again[at] = self._as_declared(dfs[at], model_name, answer)
                except InvalidError as refused:
                    answers[at] = refused
        for at, answer in zip(again, ask(list(again.values())) if again else ()):
            answers[at] = answer
        results: list[Any] = []
        for answer in answers:
            results.append(answer if isinstance(answer, KeynetError) else _outputs(answer, tensors))
        if not return_exceptions:
            for result in results:
                if isinstance(result, KeynetError):
                    raise result
        return results

    def predict_stream(
        self,
        df: Mapping[str, Any],
        model_name: str | None = None,
        *,
        outputs: Sequence[str] = (),
        timeout: float | None = None,
        parameters: Mapping[str, str | int | float | bool] | None = None,
        tensors: bool = False,
    ) -> PredictionStream:
        """Asks a model that answers many times, such as one that generates text; iterate over its answers.

        Raises as :meth:`predict`.
        """
        request, held = self._request(df, model_name, outputs, timeout, parameters)
        try:
            return PredictionStream(_host.current().predict_stream(request), tensors)
        finally:
            _close(held)

    def get_config(self, model_name: str | None = None) -> ModelConfig:
        """Returns a model as its server describes it. Raises as :meth:`predict`."""
        return _host.current().metadata(model_name or self.model_name or "")

    def _as_declared(self, df: Mapping[str, Any], model_name: str | None, refused: InvalidError) -> Mapping[str, Any]:
        """Returns inputs that were refused with their arrays in the types that the model declares.

        Raises ``refused`` if they had them, and :class:`InvalidError` for an array that cannot become the declared type as it is.
        """
        if not isinstance(df, Mapping):
            raise refused from None
        try:
            model = self.get_config(model_name)
        except KeynetError:
            raise refused from None
        converted = to_declared(df, model)
        if converted is None:
            raise refused from None
        return converted

    def _request(
        self,
        df: Mapping[str, Any],
        model_name: str | None,
        outputs: Sequence[str],
        timeout: float | None,
        parameters: Mapping[str, Any] | None,
    ) -> tuple[_host.Request, list[Tensor]]:
        if not isinstance(df, Mapping):
            raise InvalidError(
                f"the inputs are a {type(df).__name__}: pass a dict of arrays by the names that the model gives its inputs, "
                'such as {"input_0": array}'
            )
        inputs, held = [], []
        for name, value in df.items():
            tensor = to_tensor(name, value)
            if tensor is not value:
                held.append(tensor)
            inputs.append((name, tensor.handle))
        request = _host.Request(
            model=model_name or self.model_name or "",
            inputs=inputs,
            outputs=list(outputs),
            timeout_ms=None if timeout is None else max(0, min(int(timeout * 1000), 2**31 - 1)),
            parameters=json.dumps(dict(parameters)) if parameters else "",
        )
        return request, held

    # ---- What an operator does, not an action

    def load(self, model_name: str, *_: Any, **__: Any) -> None:
        """Raises ``NotImplementedError``: models are loaded by the command line."""
        raise _operators(f"model load {model_name}")

    def unload(self, model_name: str, *_: Any, **__: Any) -> None:
        """Raises ``NotImplementedError``: models are unloaded by the command line."""
        raise _operators(f"model unload {model_name}")

    def init(self, name: str, model_uri: str, *_: Any, **__: Any) -> None:
        """Raises ``NotImplementedError``: models are deployed by the command line."""
        raise _operators(f"model deploy {model_uri} --name {name}")

    def create_deployment(self, name: str, model_uri: str, *_: Any, **__: Any) -> None:
        """Raises ``NotImplementedError``: models are deployed by the command line."""
        raise _operators(f"model deploy {model_uri} --name {name}")

    def update_deployment(self, name: str, model_uri: str | None = None, *_: Any, **__: Any) -> None:
        """Raises ``NotImplementedError``: models are updated by the command line."""
        raise _operators(f"model update {name} {model_uri or 'MODEL_URI'}")

    def delete_deployment(self, name: str, *_: Any, **__: Any) -> None:
        """Raises ``NotImplementedError``: models are deleted by the command line."""
        raise _operators(f"model delete {name}")

    def list_deployments(self, *_: Any, **__: Any) -> None:
        """Raises ``NotImplementedError``: models are listed by the command line."""
        raise _operators("model list")

    def get_deployment(self, name: str, *_: Any, **__: Any) -> None:
        """Raises ``NotImplementedError``: a deployment is shown by the command line."""
        raise _operators(f"model get {name}")


class PredictionStream(_host.Held[_host.HostStream], Iterator[dict[str, Any]]):
    """The answers of a model that may answer one request many times; closing it cancels the rest."""

    def __init__(self, handle: _host.HostStream, tensors: bool) -> None:
        super().__init__(handle)
        self._tensors = tensors

    def __next__(self) -> dict[str, Any]:
        if self._handle is None:
            raise StopIteration
        try:
            answer = self._handle.next()
        except KeynetError:
            self.close()
            raise
        if answer is None:
            self.close()
            raise StopIteration
        return _outputs(answer, self._tensors)


def _outputs(answer: _host.Outputs, tensors: bool) -> dict[str, Any]:
    outputs: dict[str, Any] = {name: Tensor(handle) for name, handle in answer}
    if tensors or "numpy" not in sys.modules:
        return outputs
    for name, tensor in outputs.items():
        with tensor:
            outputs[name] = tensor.numpy()
    return outputs


def _close(held: list[Tensor]) -> None:
    for tensor in held:
        tensor.close()


def _operators(command: str) -> NotImplementedError:
    return NotImplementedError(f"an action does not change what Triton serves; run `keynet-inference {command}` on your machine instead")
