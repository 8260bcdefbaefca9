"""ONNX Runtime for browsers: a package of npm, fetched by the user's own npm, of one version, verified and kept.

What a page needs of it is one module and one file of WebAssembly: its backends for graphics cards give other numbers.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

from topwork._system import cache_dir, cached
from topwork.data import printable
from topwork.errors import TopworkError

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
_SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""Of the package, as npm writes it in lock files."""

_NEEDED = {"dist/ort.wasm.bundle.min.mjs": "ort.js", "dist/ort-wasm-simd-threaded.wasm": "ort.wasm"}
"""Files of the package, and what they are called beside the page: some hosts do not know that ``.mjs`` is a script."""

_LICENCES = ("LICENSE", "ThirdPartyNotices.txt")  # the npm package holds none; the same project's wheel does
_PATIENCE = 600  # seconds
_LINE = f"npm pack {PACKAGE}@{VERSION}"


def runtime_files(given: Path | None = None) -> Mapping[str, bytes]:
    """What a page needs of the runtime, and its licence.

    Args:
        given: The package as npm packs it; else the cache's, and where that has none, npm fetches it.

    Returns:
        Contents by file name.

    Raises:
        TopworkError: There is no npm, it cannot fetch the package, or it is not the one that is expected.
    """
    if given is not None:
        package = _verified(given)
    else:  # looked at each time: what a page runs is what was expected, whatever became of the cache
        package = _verified(cached(_kept_in(), "package.tgz", _fetched), "delete it, and it is fetched again")
    with tarfile.open(package) as archive:
        found = {name: archive.extractfile(f"package/{inside}") for inside, name in _NEEDED.items()}
        files = {name: file.read() for name, file in found.items() if file is not None}
    return files | {name: (resources.files("onnxruntime") / name).read_bytes() for name in _LICENCES}


def _kept_in() -> Path:
    return cache_dir() / "runtimes" / f"{PACKAGE}-{VERSION}"


def _fetched() -> Callable[[Path], object]:
    """Have npm fetch the package; gives what moves it to its place."""
    npm = shutil.which("npm")
    if npm is None:
        raise TopworkError(
            f"--to web needs {PACKAGE} {VERSION}, and there is no npm to fetch it",
            hint=f"install npm, or run `{_LINE}` on another machine and give its file with --runtime",
        )
    offline = ["--offline"] if os.environ.get("HF_HUB_OFFLINE") == "1" else []  # --offline of the command line
    scratch = Path(tempfile.mkdtemp(prefix="topwork-npm-"))
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--silent", *offline]
    try:
        subprocess.run(command, cwd=scratch, check=True, capture_output=True, timeout=_PATIENCE)
        package = _verified(scratch / f"{PACKAGE}-{VERSION}.tgz")
    except (OSError, subprocess.SubprocessError, TopworkError) as error:
        shutil.rmtree(scratch, ignore_errors=True)
        if isinstance(error, TopworkError):
            raise
        raise TopworkError(
            f"npm cannot fetch {PACKAGE} {VERSION}: {_why(error)}",
            hint=f"see what `{_LINE}` says; a file that it made elsewhere can be given with --runtime",
        ) from error

    def move(place: Path) -> None:
        shutil.move(package, place)
        shutil.rmtree(scratch, ignore_errors=True)

    return move


def _why(error: Exception) -> str:
    told = (getattr(error, "stderr", None) or b"").decode("utf-8", "replace").strip().splitlines()
    return printable(told[-1][:200]) if told else f"{type(error).__name__}"


def _verified(file: Path, hint: str = f"`{_LINE}` makes the file") -> Path:
    """The file, if it is the package.

    Raises:
        TopworkError: It cannot be read, or is another.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise TopworkError(f"{printable(str(file))}: cannot be read: {error.strerror or error}") from error
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != _SHA512:
        raise TopworkError(
            f"{printable(str(file))}: this is not {PACKAGE} {VERSION} as npm gives it: its sha512 is another",
            hint=hint,
        )
    return file
