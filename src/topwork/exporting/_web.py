"""A model as a folder for any static host: the page on which it is tried, and all that answers, in the browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from topwork._texts import Language
from topwork.errors import TopworkError
from topwork.exporting._answers import Answers
from topwork.exporting._inputs import Inputs
from topwork.exporting._onnx import FILE, OnnxTarget
from topwork.exporting._runtime import runtime_files
from topwork.model import Classifier, Model
from topwork.page import page_html, static_files, web_facts

_FACTS, _PAGE, _STATIC, _RUNTIME = "models.json", "index.html", "static", "runtime"


class WebTarget(OnnxTarget):
    """The same file as ``onnx``, a page, and ONNX Runtime's WebAssembly, on one thread."""

    options = ("runtime", "name", "language")
    files = {  # noqa: RUF012
        _PAGE: "the page; any static host can serve this folder",
        _STATIC: "what the page is made of",
        _RUNTIME: "ONNX Runtime for browsers, and its licence",
        _FACTS: "what the page knows of the model",
        **OnnxTarget.files,
    }
    told = (
        "Try it in a browser: `python -m http.server --directory .`, and open the address that it names. Any static "
        "host can serve this folder, also below a path; over HTTPS the camera works too. Images stay in the browser."
    )

    @classmethod
    def require(cls, model: Model, answers: Answers) -> None:
        """Refuse what the page does not show."""
        if model.thing != "image" or not isinstance(model, Classifier):
            raise TopworkError(
                f"--to web is for models that classify images, and this one reads {model.thing}s",
                hint="`topwork serve MODEL` gives the same page for every model",
            )

    def __init__(
        self,
        model: Model,
        inputs: Inputs,
        answers: Answers,
        *,
        runtime: Path | None = None,
        name: str = "model",
        language: Language = "en",
    ) -> None:
        self._runtime = runtime_files(runtime)  # asked for before the work
        super().__init__(model, inputs, answers)
        assert isinstance(model, Classifier)
        self._model, self._name, self._language = model, name, language

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        """The file, the page and what it needs."""
        super().write(folder, metadata)
        facts = web_facts(self._model, self._name, file=FILE, size=(folder / FILE).stat().st_size)
        page = page_html([facts], answers="web", language=self._language)
        _write_all(folder, {_FACTS: _json([facts]), _PAGE: page.encode()})
        _write_all(folder / _STATIC, static_files("web"))
        _write_all(folder / _RUNTIME, self._runtime)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
