"""The runtime for browsers: fetched by npm, verified, kept; and what is said where that cannot be."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import pytest

from topwork._system import cache_dir
from topwork.errors import TopworkError
from topwork.exporting import _runtime
from topwork.exporting._runtime import runtime_files


def package(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return held.getvalue()


SMALL = package({"dist/ort.wasm.bundle.min.mjs": b"script", "dist/ort-wasm-simd-threaded.wasm": b"code", "x": b""})


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, which notes its arguments and packs what lies beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "npm"
    script.write_text(
        f"#!{sys.executable}\nimport pathlib, shutil, sys\nhere = pathlib.Path(__file__).parent\n"
        "(here / 'asked').open('a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        "file = here / 'package.tgz'\n"
        "if not file.exists(): sys.exit('npm error network: no such host')\n"
        f"shutil.copy(file, '{_runtime.PACKAGE}-{_runtime.VERSION}.tgz')\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def expect(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this for the package."""
    import base64
    import hashlib

    monkeypatch.setattr(_runtime, "_SHA512", base64.b64encode(hashlib.sha512(content).digest()).decode())


def test_npm_is_asked_once_and_runs_no_script(npm: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (npm / "package.tgz").write_bytes(SMALL)
    expect(SMALL, monkeypatch)
    for _ in range(2):
        files = runtime_files()
    assert (npm / "asked").read_text().splitlines() == [
        f"pack onnxruntime-web@{_runtime.VERSION} --ignore-scripts --silent"
    ]
    assert (files["ort.js"], files["ort.wasm"]) == (b"script", b"code")
    assert b"MIT License" in files["LICENSE"]
    assert "x" not in files


def test_a_file_of_the_cache_that_was_changed_is_not_put_into_a_page(
    npm: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (npm / "package.tgz").write_bytes(SMALL)
    expect(SMALL, monkeypatch)
    runtime_files()
    (kept,) = cache_dir().rglob("package.tgz")
    kept.write_bytes(package({"dist/ort.wasm.bundle.min.mjs": b"evil", "dist/ort-wasm-simd-threaded.wasm": b"code"}))
    with pytest.raises(TopworkError, match="sha512 is another") as refused:
        runtime_files()
    assert refused.value.hint == "delete it, and it is fetched again"
    kept.unlink()
    assert runtime_files()["ort.js"] == b"script"


def test_offline_npm_is_asked_for_what_it_has(npm: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (npm / "package.tgz").write_bytes(SMALL)
    expect(SMALL, monkeypatch)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    runtime_files()
    assert (npm / "asked").read_text().endswith(" --offline\n")


def test_another_package_is_refused_and_not_kept(npm: Path, empty_cache: Path) -> None:
    (npm / "package.tgz").write_bytes(SMALL)
    with pytest.raises(TopworkError, match="its sha512 is another"):
        runtime_files()
    assert not list(cache_dir().rglob("*.tgz"))


def test_what_npm_says_is_told(npm: Path, empty_cache: Path) -> None:
    with pytest.raises(
        TopworkError, match=r"npm cannot fetch onnxruntime-web .*: npm error network: no such host"
    ) as told:
        runtime_files()
    assert "--runtime" in told.value.hint


def test_without_npm_it_says_what_to_do(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TopworkError, match="there is no npm to fetch it") as told:
        runtime_files()
    assert f"npm pack onnxruntime-web@{_runtime.VERSION}" in told.value.hint


def test_a_file_may_be_given(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "given.tgz"
    with pytest.raises(TopworkError, match=r"given.tgz: cannot be read"):
        runtime_files(file)
    file.write_bytes(SMALL)
    with pytest.raises(TopworkError, match=r"given.tgz: this is not onnxruntime-web"):
        runtime_files(file)
    expect(SMALL, monkeypatch)
    assert runtime_files(file)["ort.js"] == b"script"
    assert not empty_cache.exists()
