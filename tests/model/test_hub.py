"""A model goes to a hub on loopback, by huggingface_hub's own client, and comes back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backbones.hub import serving
from tests.cli.conftest import run
from topwork.errors import ModelError
from topwork.model import Classifier, hub_folder, push
from topwork.tasks import load

from .samples import textiles
from .writable_hub import WritableHub

__all__ = ["run"]

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # httpx's, of how the client uses it


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WritableHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with serving(tmp_path / "hub-cache", WritableHub) as found:
        yield found


def same(folder: Path, found: dict[str, bytes]) -> bool:
    ours = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return ours == {name: content for name, content in found.items() if name != ".gitattributes"}


def test_a_model_is_one_commit_and_answers_the_same_when_it_comes_back(hub: WritableHub, folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "report.html").write_text("<html>")
    found = push(folder, "me/cloth", private=True, token=hub.token)
    (folder / ".DS_Store").unlink()
    assert same(folder, hub.files("me/cloth"))
    assert len(hub.commits["me/cloth"]) == 2  # the first one made the repository
    assert (found.repository, found.commit, hub.private) == ("me/cloth", hub.main["me/cloth"], {"me/cloth": True})
    assert found.showing == ("report.html",)
    assert hub.files("me/cloth")["README.md"].startswith(b"---\n")
    image = [textiles("local")[40]]
    assert load("hf:me/cloth", Classifier).predict(image) == load(folder, Classifier).predict(image)
    assert load(f"hf:me/cloth@{found.commit}").record == load(folder).record


def test_a_model_with_its_weights_comes_back_too(hub: WritableHub, folder: Path) -> None:
    load(folder).save(folder, self_contained=True)
    push(folder, "cloth", token=hub.token)
    assert "backbone.safetensors" in hub.files("me/cloth")
    image = [textiles("local")[40]]
    assert load("hf:me/cloth", Classifier).predict(image) == load(folder, Classifier).predict(image)


def test_an_upload_that_broke_off_goes_on_and_what_an_older_model_left_goes(hub: WritableHub, folder: Path) -> None:
    load(folder).save(folder, self_contained=True)
    hub.breaks = 1
    with pytest.raises(ModelError, match="me/cloth: the hub cannot be used") as error:
        push(folder, "me/cloth", token=hub.token)
    assert "not sent twice" in error.value.hint
    sent = set(hub.blobs)
    assert len(hub.commits["me/cloth"]) == 1  # no half of a model
    push(folder, "me/cloth", token=hub.token)
    assert sent < set(hub.blobs)
    kept = {**hub.files("me/cloth"), "notes.txt": b"the owner's"}
    hub.publish("me/cloth", kept)
    (folder / "novelty.safetensors").unlink()
    push(folder, "me/cloth", token=hub.token)
    assert set(kept) - set(hub.files("me/cloth")) == {"novelty.safetensors"}


def test_the_token_is_in_no_message(hub: WritableHub, folder: Path, run, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    secret = "hf_anotherSecret"
    done = (
        run("push", folder, "me/cloth", "--debug", HF_TOKEN=secret)
        if False
        else run("push", folder, "me/cloth", HF_TOKEN=secret)
    )
    told = done.out + done.err + "".join(capfd.readouterr())
    assert done.failed()[0] == "me/cloth: the hub does not let this token in"
    assert "HF_TOKEN" in done.failed()[1]
    assert secret not in told
    good = run("push", folder, "me/cloth", "--json", HF_TOKEN=hub.token)
    assert good.json["repository"] == "me/cloth"
    assert hub.token not in good.out + good.err + "".join(capfd.readouterr())
    assert hub.token not in "".join(hub.bodies)
    assert "이 토큰을 받아들이지 않습니다" in run("push", folder, "me/cloth", "--lang", "ko", HF_TOKEN=secret).err


def test_offline_refuses_before_anything_is_asked(hub: WritableHub, folder: Path, run) -> None:  # type: ignore[no-untyped-def]
    done = run("push", folder, "me/cloth", "--offline", HF_TOKEN=hub.token)
    assert done.failed()[0] == "nothing is uploaded with --offline"
    assert hub.requests == []
    assert hub.bodies == []


@pytest.mark.parametrize("name", ["a/b/c", "../x", "a b", "", "x" * 200, "me/cloth.git"])
def test_what_is_no_name_is_refused(hub: WritableHub, folder: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"no name of a repository|cannot be used"):
        push(folder, name, token=hub.token)
    assert hub.commits == {}


def test_what_is_no_model_and_a_missing_branch_are_refused(hub: WritableHub, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a topwork model"):
        push(tmp_path, "me/cloth", token=hub.token)
    with pytest.raises(ModelError, match="no such revision"):
        push(folder, "me/cloth", revision="none", token=hub.token)
    with pytest.raises(ModelError, match="no such repository"):
        load("hf:me/none")
    hub.status = 503
    with pytest.raises(ModelError, match="me/cloth: the hub cannot be used"):
        push(folder, "me/cloth", token=hub.token)


def test_a_damaged_model_is_not_pushed(hub: WritableHub, folder: Path, run) -> None:  # type: ignore[no-untyped-def]
    fields = json.loads((folder / "model.json").read_text())
    fields["task"]["classes"] = ["only"]
    (folder / "model.json").write_text(json.dumps(fields))
    assert "classes" in run("push", folder, "me/cloth", HF_TOKEN=hub.token).failed()[0]
    assert hub.bodies == []


def test_what_was_fetched_once_needs_no_hub(hub: WritableHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(folder, "me/cloth", token=hub.token)
    first = hub_folder("hf:me/cloth")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    before = len(hub.requests)
    assert hub_folder("hf:me/cloth") == first
    assert len(hub.requests) == before
    shutil.rmtree(first)
    with pytest.raises(ModelError):
        hub_folder("hf:me/other")
