"""Code of others: it runs at a pinned commit, when the user has said so, and for as long as it is the same."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from topwork._texts import Texts
from topwork.backbones import Backbone, backbone_from_dict, load, trust
from topwork.backbones._torchhub import parsed
from topwork.errors import BackboneError

from ..file_server import Server, server

__all__ = ["server"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CODE = """
dependencies = ["torch"]
import torch
from torch import nn
from pieces import block

def tiny(pretrained=False, classes=10):
    open(MARK, "a").close()
    network = nn.Sequential()
    network.add_module("stem", block(3, 8))
    network.add_module("body", block(8, 16))
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flat", nn.Flatten())
    network.add_module("fc", nn.Linear(16, classes))
    if pretrained:
        torch.manual_seed(5)
        for value in network.parameters():
            value.data.normal_()
    return network

def features():
    return nn.Sequential(*list(tiny(pretrained=True))[:-1])

def untrained():
    return tiny()

def half():
    drawn, network = torch.randn(16, 8, 3, 3), tiny(pretrained=True)  # which sets the seed
    network.body[0].weight.data = drawn
    return network

def new_head():
    head, network = nn.Linear(16, 3), tiny(pretrained=True)
    network.fc = head
    return network

def fetched(pretrained=False):
    return torch.hub.load_state_dict_from_url("http://localhost:1/weights.pth")


def stem(pretrained=False):
    return nn.Sequential(block(3, 8), nn.AdaptiveAvgPool2d(1))


def pairs(pretrained=False):
    class Two(nn.Module):
        def forward(self, images):
            return images, images
    return Two()

def broken(pretrained=False):
    raise OSError("no weights today")
"""
PIECES = """
from torch import nn
def block(before, after):
    return nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU())
"""


def named(entry: str, commit: str = COMMIT) -> str:
    return f"torchhub:own-er/re.po:{entry}@{commit}"


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that the code makes when it runs."""
    return tmp_path / "ran"


Published = Callable[..., None]


@pytest.fixture
def published(server: Server, mark: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """Puts the code's archive on a server of ours, as git makes it."""
    monkeypatch.setattr("topwork.backbones._torchhub._ARCHIVE", server.url + "/{owner}/{repo}/{commit}.zip")

    def publish(comment: str = COMMIT, code: str = CODE, pieces: str = PIECES) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.comment = comment.encode()
            archive.writestr("re.po-0123/hubconf.py", code.replace("MARK", repr(str(mark))))
            archive.writestr("re.po-0123/pieces.py", pieces)
        server.files[f"/own-er/re.po/{COMMIT}.zip"] = out.getvalue()

    publish()
    return publish


@pytest.mark.parametrize(
    "name",
    ["torchhub:own-er/re.po:tiny", named("tiny", "main"), named("tiny", COMMIT[:7]), named("tiny", COMMIT.upper())],
)
def test_what_is_not_pinned_is_refused(published: Published, server: Server, name: str) -> None:
    for act in (load, trust):
        with pytest.raises(BackboneError, match="is not pinned") as caught:
            act(name)
        assert "git ls-remote https://github.com/own-er/re.po" in caught.value.hint
    assert server.requests == []


@pytest.mark.parametrize(
    "name", ["torchhub:tiny", "torchhub:a/b:c d@x", "torchhub:../b:c@x", "torchhub:a--b/c:d@x", "torchhub:a/б:c@x"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BackboneError, match=r"is no network of torch\.hub"):
        load(name)


def test_what_is_not_trusted_is_neither_fetched_nor_run(published: Published, server: Server, mark: Path) -> None:
    with pytest.raises(BackboneError, match="code of others") as caught:
        load(named("tiny"))
    assert f"topwork models {named('tiny')} --trust" in caught.value.hint
    assert server.requests == []
    trust(named("tiny"))
    assert not mark.exists()  # fetched, and not run


def test_a_trusted_network_computes_what_its_code_says(published: Published, mark: Path) -> None:
    folder = trust(named("tiny"))
    backbone = load(named("tiny"), size=64)
    assert mark.exists()
    assert backbone.embedding == 16
    assert [(stage.name, stage.channels, stage.stride) for stage in backbone.stages] == [
        ("network.stem", 8, 2),
        ("network.body", 16, 4),
    ]
    own: Any = torch.hub.load(str(folder), "tiny", source="local", pretrained=True, verbose=False).eval()
    network: Any = backbone.module()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        features = network.forward_features(images)
        assert torch.equal(network(images), own(images))
        assert torch.equal(features, own[:-1](images))
    again = backbone_from_dict(json.loads(json.dumps(backbone.to_dict())))
    assert isinstance(again, Backbone)
    assert torch.equal(again.module()(images), own(images))


def test_weights_of_the_users_own_are_taken_under_the_codes_names(published: Published, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = trust(named("tiny"))
    own: Any = torch.hub.load(str(folder), "tiny", source="local", verbose=False).eval()
    save_file(dict(own.state_dict()), tmp_path / "own.safetensors")
    backbone = load(named("tiny"), weights=tmp_path / "own.safetensors", size=64)
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(backbone.module()(images), own(images))


def test_a_network_without_a_linear_end_gives_its_own_output(published: Published) -> None:
    trust(named("features"))
    backbone = load(named("features"), size=32)
    assert backbone.embedding == 16
    with torch.inference_mode():
        assert backbone.module()(torch.zeros(1, 3, 32, 32)).shape == (1, 16)


@pytest.mark.parametrize(("entry", "said"), [("untrained", "4 of its 14"), ("half", "1 of its 14")])
def test_a_function_that_gives_random_weights_is_refused(published: Published, entry: str, said: str) -> None:
    """One that takes no ``pretrained`` cannot be asked for trained ones, and would be used as if it had them."""
    trust(named(entry))
    with pytest.raises(BackboneError, match=f"takes no 'pretrained', and {said} tensors are random") as caught:
        load(named(entry), size=64)
    told = Texts("ko").said(f"error: {caught.value.message}"), Texts("ko").said(f"hint: {caught.value.hint}")
    assert [text.isascii() for text in told] == [False, False]
    assert load(named(entry), weights="random:3", size=64).weights.source == "random"


def test_a_new_head_on_trained_features_is_no_matter(published: Published) -> None:
    trust(named("new_head"))
    assert load(named("new_head"), size=64).embedding == 16


def test_an_engine_runs_it(published: Published, photos: list[Path]) -> None:
    from topwork.data import decode
    from topwork.engines import EngineChoice, open_engine

    trust(named("tiny"))
    backbone = load(named("tiny"), size=64)
    pixels = np.stack([backbone.preprocessing(decode(path)) for path in photos[:3]])
    found = open_engine(backbone, ("embedding",), EngineChoice("openvino", "f32"))(pixels)
    seen = backbone.preprocessing
    given = torch.tensor(pixels).permute(0, 3, 1, 2) / 255
    given = (given - torch.tensor(seen.mean).view(3, 1, 1)) / torch.tensor(seen.std).view(3, 1, 1)
    with torch.inference_mode():
        network: Any = backbone.module()
        assert np.allclose(found, network.forward_features(given.float()).numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("entry", "said"),
    [("pairs", "does not give numbers"), ("broken", "OSError: no weights today"), ("gone", "cannot be built")],
)
def test_code_that_gives_no_network_is_told(published: Published, entry: str, said: str) -> None:
    trust(named(entry))
    with pytest.raises(BackboneError, match=said):
        load(named(entry))


def test_code_that_changed_is_not_run(published: Published, mark: Path) -> None:
    folder = trust(named("tiny"))
    (folder / "pieces.py").write_text("import os\n" + PIECES)
    for act in (load, trust, load):  # and no second consent makes it the code of its commit
        with pytest.raises(BackboneError, match="has changed since it was trusted"):
            act(named("tiny"))
    assert not mark.exists()


def test_code_that_nobody_has_agreed_to_is_fetched_anew(published: Published, mark: Path) -> None:
    """As it lies there where a run was killed between the two, or where somebody has put it."""
    folder = trust(named("tiny"))
    (folder.parent / "trusted.json").unlink()
    (folder / "hubconf.py").write_text("raise SystemExit(9)")
    assert trust(named("tiny")) == folder
    assert load(named("tiny"), size=64).embedding == 16


def test_offline_its_code_fetches_no_weights(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(named("fetched"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(Path(os.environ["TOPWORK_CACHE"]) / "torch"))
    with pytest.raises(BackboneError, match=r"/weights\.pth is not on this machine, and nothing is downloaded"):
        load(named("fetched"))


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owners here")
def test_what_another_user_agreed_to_is_not_run(
    published: Published, mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a cache that several share."""
    trust(named("tiny"))
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    with pytest.raises(BackboneError, match="code of others"):
        load(named("tiny"))
    assert not mark.exists()


def test_two_repositories_each_have_their_own_modules(published: Published, server: Server, tmp_path: Path) -> None:
    other = "fedcba9876543210fedcba9876543210fedcba98"
    trust(named("tiny"))
    assert load(named("tiny"), size=64).stages[0].channels == 8
    published(comment=other, pieces=PIECES.replace("after, 3", "2 * after, 3").replace("(after)", "(2 * after)"))
    server.files[f"/own-er/re.po/{other}.zip"] = server.files[f"/own-er/re.po/{COMMIT}.zip"]
    trust(named("stem", other))
    assert load(named("stem", other), size=64).embedding == 16


def test_compiled_files_beside_the_code_are_not_run(published: Published, mark: Path) -> None:
    """They are no part of what is hashed."""
    import importlib.util
    import marshal

    folder = trust(named("tiny"))
    source = folder / "pieces.py"
    place = Path(importlib.util.cache_from_source(str(source)))
    place.parent.mkdir()
    told = source.stat()
    head = importlib.util.MAGIC_NUMBER + bytes(4) + int(told.st_mtime).to_bytes(4, "little")
    code = compile(f"open({str(mark)!r} + '-evil', 'a')\n{PIECES}", str(source), "exec")
    place.write_bytes(head + told.st_size.to_bytes(4, "little") + marshal.dumps(code))
    load(named("tiny"), size=64)
    assert mark.exists()
    assert not Path(f"{mark}-evil").exists()


def test_an_archive_of_another_commit_is_refused(published: Published) -> None:
    published(comment="f" * 40)
    with pytest.raises(BackboneError, match="is an archive of fff"):
        trust(named("tiny"))
    with pytest.raises(BackboneError, match="code of others"):
        load(named("tiny"))


def test_a_name_and_its_record_are_the_same() -> None:
    for repo in ("re.po", "a--b", "-x-"):
        name = f"torchhub:own-er/{repo}:tiny@{COMMIT}"
        assert parsed(parsed(name).name) == parsed(name)
        assert parsed(name).spelled == name
