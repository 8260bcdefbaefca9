"""Weights from the hub, with huggingface_hub's own client and a hub on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from topwork.backbones import Backbone, Weights, load
from topwork.backbones._hub import fetch
from topwork.engines import EngineChoice, open_engine
from topwork.errors import BackboneError

from .hub import FILE, MOVED, NAME, REPOSITORY, Files, Hub, files_of, network_of, require_refused, require_whole

BY_HAND = "on another machine and pass it with --weights FILE.safetensors, or its folder"

Pixels = Callable[..., Any]


# ---- the way there


@pytest.mark.parametrize("engine", ["torch-cpu", "openvino"])
def test_a_networks_features_are_those_of_the_one_that_was_published(
    tiny_network: Any, tiny_files: Files, commit: str, pixels: Pixels, empty_cache: Path, engine: Any
) -> None:
    backbone = load(NAME)
    assert backbone.weights == Weights("hub", hashlib.sha256(tiny_files[FILE]).hexdigest(), REPOSITORY, commit)
    assert backbone.pretrained_on == "r160_in1k"
    images, fit = pixels(backbone), backbone.preprocessing
    scaled = (images.astype(np.float32) / 255 - np.float32(fit.mean)) / np.float32(fit.std)
    with torch.no_grad():
        inputs = torch.from_numpy(scaled).permute(0, 3, 1, 2).contiguous()
        expected = tiny_network.forward_head(tiny_network.forward_features(inputs), pre_logits=True)
    features = open_engine(backbone, ("embedding",), EngineChoice(engine, "f32"))(images)
    np.testing.assert_allclose(features, expected.numpy(), rtol=1e-3, atol=1e-4)


def test_what_the_cache_holds_is_not_asked_for_again(hub: Hub, commit: str) -> None:
    load(NAME)
    hub.requests.clear()
    load(NAME).module()
    assert hub.requests == []


def test_a_record_fetches_its_own_commit_though_the_hub_has_gone_on(
    hub: Hub, commit: str, hub_cache: Path, tiny_network: Any, tmp_path: Path
) -> None:
    record = json.dumps(load(NAME).to_dict())
    shutil.rmtree(hub_cache)
    newer = hub.publish(REPOSITORY, files_of(network_of(NAME, 1), tmp_path / "newer"))
    old = Backbone.from_dict(json.loads(record)).module()
    assert torch.equal(old.state_dict()["conv1.0.weight"], tiny_network.state_dict()["conv1.0.weight"])
    assert load(NAME).weights.revision == newer != commit


def test_a_record_of_before_revisions_is_held_to_its_hash(
    hub: Hub, commit: str, hub_cache: Path, tmp_path: Path
) -> None:
    backbone = load(NAME)
    fields = backbone.to_dict()
    del fields["weights"]["revision"]
    old = Backbone.from_dict(fields)
    assert old.weights == replace(backbone.weights, revision="")
    old.module()
    shutil.rmtree(hub_cache)
    hub.publish(REPOSITORY, files_of(network_of(NAME, 1), tmp_path / "newer"))
    with pytest.raises(BackboneError, match="at its newest commit is not the requested file"):
        old.module()


def test_any_file_of_a_repository_can_be_had(hub: Hub, tiny_files: Files, commit: str) -> None:
    small = b'{"vocabulary": 3}'
    newer = hub.publish("someone/text", {"deep/er/tokens.json": small, "open_clip_model.safetensors": tiny_files[FILE]})
    found = fetch("someone/text", "deep/er/tokens.json")
    assert (found.path.read_bytes(), found.revision) == (small, newer)
    assert found.sha256 == hashlib.sha256(small).hexdigest()
    assert fetch("someone/text", "open_clip_model.safetensors").revision == newer
    assert fetch(REPOSITORY, "config.json", revision=commit).revision == commit


@pytest.mark.parametrize("elsewhere", [False, True], ids=["of this hub", "of another host"])
def test_a_redirect_is_followed(hub: Hub, tiny_files: Files, elsewhere: bool) -> None:
    with contextlib.closing(Hub()) as other:
        commit = other.publish(REPOSITORY, tiny_files)
        assert hub.publish(REPOSITORY, tiny_files) == commit
        hub.redirect = other.url + MOVED if elsewhere else MOVED
        require_whole(tiny_files)
        assert load(NAME).weights.revision == commit
        moved = (other if elsewhere else hub).downloads[-1]
        assert moved.path == f"{MOVED}/{REPOSITORY}/resolve/main/{FILE}"


def test_another_architecture_gets_a_two_sided_diff(hub: Hub, tmp_path: Path) -> None:
    hub.publish(REPOSITORY, files_of(network_of("test_efficientnet", 1), tmp_path / "other"))
    with pytest.raises(BackboneError) as caught:
        load(NAME).module()
    assert "network has conv1.0.weight (16, 3, 3, 3), file has none" in caught.value.message
    assert "file has blocks.0.0.conv.weight (16, 24, 3, 3), network has none" in caught.value.message
    assert "bn1.weight: network (32,), file (24,)" in caught.value.message


# ---- no network, no such thing


@pytest.mark.parametrize("way", ["argument", "environment"])
def test_offline_asks_nothing_and_says_what_to_fetch(
    hub: Hub, commit: str, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", way == "environment")
    with pytest.raises(BackboneError) as caught:
        load(NAME, offline=way == "argument")
    assert (
        caught.value.message == f"{REPOSITORY}/{FILE} is not on this machine, and nothing is downloaded with --offline"
    )
    instead, hint = caught.value.hint.split(", or ", 1)
    assert instead == "use a backbone that works without the internet (lite0, lite1, lite2)"
    assert hint == f"download {hub.url}/{REPOSITORY}/resolve/main/{FILE} {BY_HAND}"
    assert hub.requests == []


def test_offline_what_the_cache_holds_works(hub: Hub, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    online = load(NAME)
    hub.requests.clear()
    assert load(NAME, offline=True) == online
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    online.module()
    assert hub.requests == []


def test_offline_a_commits_file_may_be_put_where_the_hint_says(
    hub: Hub, tiny_files: Files, commit: str, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = load(NAME)
    shutil.rmtree(hub_cache)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BackboneError) as caught:
        backbone.module()
    what, where = caught.value.hint.split(" on another machine and put it at ")
    assert what == f"download {hub.url}/{REPOSITORY}/resolve/{commit}/{FILE}"
    Path(where).parent.mkdir(parents=True)
    Path(where).write_bytes(tiny_files[FILE])
    backbone.module()


def test_without_a_network_the_hub_is_a_named_error_at_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", closed_port())
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waits to try again"))
    error = require_refused(f"{REPOSITORY}/{FILE} cannot be downloaded from the hub: .*[Cc]onnection refused")
    assert error.hint.endswith(BY_HAND)


def closed_port() -> str:
    with contextlib.closing(Hub()) as gone:
        return gone.url + "/{repo_id}/resolve/{revision}/{filename}"


def test_what_the_hub_does_not_have_is_named(hub: Hub, tiny_files: Files) -> None:
    require_refused("cannot be downloaded from the hub: there is no such repository, or it needs a login")
    hub.publish(REPOSITORY, {"config.json": tiny_files["config.json"]})
    require_refused("cannot be downloaded from the hub: the repository has no such file")
    with pytest.raises(BackboneError, match="the repository has no such revision"):
        fetch(REPOSITORY, FILE, revision="0" * 40)


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_hub_that_refuses_is_named(hub: Hub, commit: str, status: int) -> None:
    hub.status = status
    require_refused(f"cannot be downloaded from the hub: .*{status}")


def test_a_network_that_the_hub_has_no_weights_of_is_a_named_error() -> None:
    with pytest.raises(BackboneError, match="timm has no pretrained weights for 'botnet50ts_256' on the hub") as caught:
        load("botnet50ts_256")
    assert "--weights FILE.safetensors" in caught.value.hint


# ---- records that mean harm


def test_a_record_cannot_send_the_program_elsewhere(hub: Hub, tiny_files: Files, commit: str) -> None:
    backbone = load(NAME)
    hub.publish("evil/net", tiny_files)
    hub.requests.clear()
    with pytest.raises(BackboneError, match=r"'evil/net' is not where the hub keeps test_resnet"):
        backbone.with_weights(replace(backbone.weights, location="evil/net")).module()
    for revision in ("main", "refs/pr/1", "../../../evil", commit[:8], commit + "\n", commit.upper()):
        with pytest.raises(BackboneError, match=f"is not a commit of {REPOSITORY}"):
            backbone.with_weights(replace(backbone.weights, revision=revision)).module()
    assert hub.requests == []


# ---- progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_bar_is_for_terminals_alone(commit: str, monkeypatch: pytest.MonkeyPatch, stream: Any) -> None:
    from huggingface_hub.utils import are_progress_bars_disabled

    written = stream()
    monkeypatch.setattr("sys.stderr", written)
    load(NAME)
    assert (FILE in written.getvalue()) is (stream is Terminal)
    assert not are_progress_bars_disabled()
