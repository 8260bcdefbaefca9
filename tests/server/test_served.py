"""What the server adds to the library's answers, over HTTP: facts, nearest images, the page, the log, the command."""

from __future__ import annotations

import base64
import io
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import topwork
from tests.model.samples import copied, photos, textile_folder, textiles
from tests.server.wire import PHOTO, TEXTILE, Server, alike, from_command_line, labels, until
from topwork.errors import TopworkError
from topwork.server._served import Models


@pytest.fixture(scope="module")
def careful(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with all that a server can tell: a critical class, thresholds, novelty, pictures of training images."""
    data = textile_folder(tmp_path_factory.mktemp("data") / "cloth", per_class=24)
    folder = tmp_path_factory.mktemp("served") / "cloth"
    topwork.fit(data, strategy="probe", thumbnails=True, min_recall={"global": 0.8}).save(folder)
    return folder


@pytest.fixture(scope="module")
def rich(careful: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with from_command_line(tmp_path_factory.mktemp("log"), careful) as server:
        yield server


def test_facts_are_those_of_the_model(rich: Server, careful: Path) -> None:
    (facts,) = rich.ask("GET", "/models").json
    model = topwork.load(careful)
    assert facts["name"] == "cloth"
    assert facts["classes"] == list(model.classes)
    assert facts["accuracy"]["value"] == model.metrics.accuracy.value
    assert (facts["kind"], facts["size"], facts["selective"]) == ("image", 224, True)
    assert facts["critical"]["class"] == "global"
    assert (facts["nearest"], facts["collect"]) == (True, False)


def test_an_answer_is_the_librarys_with_all_that_was_asked_for(rich: Server, careful: Path) -> None:
    file = textiles("global")[50]
    said = rich.predict(("image", "a.jpg", file.read_bytes()), asked="?coverage=0.9&accuracy=0.5&top=2&nearest=2")
    (found,) = said.json["predictions"]
    (expected,) = topwork.load(careful).predict([file], coverage=0.9, accuracy=0.5)
    assert said.json["model"] == "cloth"
    for name in ("label", "probability", "typicality", "unfamiliar", "answered"):
        assert found[name] == getattr(expected, name)
    assert found["labels"] == list(expected.labels)
    assert found["probabilities"] == dict(list(expected.probabilities.items())[:2])
    critical = topwork.load(careful).record.task.decision
    assert found["critical"] == {
        "class": "global",
        "threshold": critical.threshold,
        "probability": expected.probabilities["global"],
        "flagged": expected.label == "global",
    }


def test_the_nearest_training_images_come_as_pictures(rich: Server, careful: Path) -> None:
    file = textiles("nominal")[3]  # one of them
    (found,) = rich.image(file.read_bytes(), "?nearest=2").json["predictions"]
    (expected,) = topwork.load(careful).nearest([file], 2)
    assert [each["name"] for each in found["nearest"]] == [each.name for each in expected]
    assert found["nearest"][0]["label"] == "nominal"
    assert found["nearest"][0]["similarity"] == pytest.approx(1, abs=0.01)
    head, _, content = found["nearest"][0]["thumbnail"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert max(Image.open(io.BytesIO(base64.b64decode(content))).size) <= 96


def test_what_a_model_cannot_give_is_refused_and_not_left_out(server: Server, rich: Server) -> None:
    assert "keeps no pictures" in server.image(PHOTO, "?nearest=1").refused(422)
    assert "evidence" in server.ask(
        "POST", "/predict?model=messages&map=true", b"a", content_type="text/plain"
    ).refused(422)
    assert "accuracy" in rich.image(PHOTO, "?accuracy=0.9999").refused(422)
    assert "0.95" in rich.image(PHOTO, "?coverage=95").refused(422)


def test_unlike_images_are_told(rich: Server) -> None:
    (found,) = rich.image(PHOTO).json["predictions"]
    assert found["unfamiliar"] is True


def test_texts_come_as_json_a_form_or_as_they_are(server: Server, texts: Path) -> None:
    said = ["Free entry! Text WIN now", "see you at the café", "같이 점심 먹을래?"]
    expected = topwork.load(texts).predict(said)
    ask = "/predict?model=messages"
    whole = server.ask("POST", ask, json.dumps({"texts": said}).encode(), content_type="application/json")
    assert labels(whole) == [each.label for each in expected]
    alike([each["probability"] for each in whole.json["predictions"]], [each.probability for each in expected])
    form = server.predict(*(("text", None, each.encode()) for each in said), asked="?model=messages")
    alike(form.json["predictions"], whole.json["predictions"])
    alone = server.ask("POST", ask, said[2].encode(), content_type="text/plain; charset=utf-8")
    alike(alone.json["predictions"][0]["probability"], expected[2].probability)


@pytest.mark.parametrize("text", [b"", b"   ", b"\xff\xfe", b"\xed\xa0\x80"])
def test_a_text_with_nothing_to_read_is_refused(server: Server, text: bytes) -> None:
    server.ask("POST", "/predict?model=messages", text, content_type="text/plain").refused(422)


def test_lone_surrogates_and_control_characters_are_texts(server: Server) -> None:
    body = b'{"texts": ["\\ud800", "a\\u0000b", ""]}'
    found = server.ask("POST", "/predict?model=messages", body, content_type="application/json").json["predictions"]
    assert "label" in found[1]
    assert "empty" in found[2]["error"]


def test_the_page_and_its_files_come_under_a_strict_policy(server: Server) -> None:
    page = server.ask("GET", "/")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "photo-or-textile" in page.body.decode()
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    script = server.ask("GET", "/static/page.js")
    assert (script.status, script.headers["x-content-type-options"]) == (200, "nosniff")
    assert "javascript" in script.headers["content-type"]
    server.ask("GET", "/static/web.js").refused(404)


def test_figures_count_what_happened(server: Server) -> None:
    def answered() -> float:
        text = server.ask("GET", "/metrics").body.decode()
        lines = [
            line
            for line in text.splitlines()
            if line.startswith('topwork_requests_total{route="/predict",status="200"')
        ]
        return float(lines[0].split()[-1]) if lines else 0

    before = answered()
    assert labels(server.image(PHOTO)) == ["photo"]
    assert answered() == before + 1


def test_each_line_of_the_log_is_json(server: Server) -> None:
    server.image(PHOTO)
    with server.wire() as wire:
        wire.send(b"no HTTP\r\n\r\n")
        wire.reply()
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {"time", "event"} <= set.intersection(*(set(line) for line in lines))
    assert any(line.get("route") == "/predict" and line["status"] == 200 for line in lines)


def test_a_model_that_changes_is_read_again_with_what_it_can_tell(careful: Path, tmp_path: Path) -> None:
    place = tmp_path / "changing"
    data = tmp_path / "data"
    copied(photos()[:8], data / "photo")
    copied(textiles("nominal")[:8], data / "textile")
    shutil.copytree(careful, place)
    with from_command_line(tmp_path, place) as server:
        assert len(labels(server.image(TEXTILE))) == 1
        topwork.fit(data, strategy="probe").save(place)
        assert until(lambda: server.ask("GET", "/models").json[0]["classes"] == ["photo", "textile"])
        assert labels(server.image(TEXTILE)) == ["textile"]
        server.image(TEXTILE, "?nearest=1").refused(422)
        shutil.rmtree(place)  # gone: the one in memory answers
        assert labels(server.image(PHOTO)) == ["photo"]


def test_two_models_of_one_name_are_refused(careful: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(careful, tmp_path / "cloth"))
    models = Models()
    models.add(careful)
    with pytest.raises(TopworkError, match="two models are called cloth"):
        models.add(other)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: there is no such model folder"),
        (["."], ".: is not a topwork model (it has no model.json)"),
        (["MODEL", "--host", "192.0.2.1", "--public", "--lang", "ko"], "192.0.2.1"),
        (["MODEL", "--host", "0.0.0.0"], "anybody"),
        (["MODEL", "--token", "short"], "too easily"),
        (["MODEL", "--host", "192.0.2.1", "--public"], "cannot listen"),
    ],
)
def test_the_command_says_what_is_wrong_before_it_listens(texts: Path, arguments: list[str], said: str) -> None:
    given = [str(texts) if each == "MODEL" else each for each in arguments]
    command = [sys.executable, "-m", "topwork", "serve", *given, "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-2]
    begins = ("오류: ", "해결 방법: ") if "ko" in arguments else ("error: ", "hint: ")
    assert all(map(str.startswith, done.stderr.splitlines()[-2:], begins))


def test_a_port_that_is_taken_is_told_in_korean_too(texts: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "topwork", "serve", str(texts), "--port", port, "--lang", "ko"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    error, hint = done.stderr.splitlines()[-2:]
    assert done.returncode == 1
    assert error.startswith("오류: 127.0.0.1")
    assert f"{port}을(를) 사용할 수 없음: 이미 쓰이는 주소임" in error
    assert hint.startswith("해결 방법: ")


def test_a_model_that_cannot_be_prepared_ends_the_server_with_the_reason(careful: Path, tmp_path: Path) -> None:
    spoilt = Path(shutil.copytree(careful, tmp_path / "spoilt"))
    fields = json.loads((spoilt / "model.json").read_text())
    fields["backbone"]["weights"]["sha256"] = "0" * 64
    (spoilt / "model.json").write_text(json.dumps(fields))
    command = [sys.executable, "-m", "topwork", "serve", str(spoilt), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("error: ")
    assert "weights" in error
    assert hint.startswith("hint: ")


def test_a_model_is_called_what_its_link_is_called(careful: Path, texts: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(careful)
    with from_command_line(tmp_path, link) as server:
        assert server.ask("GET", "/models").json[0]["name"] == "current"
        other = tmp_path / "new"
        other.symlink_to(texts)
        other.replace(link)
        assert until(lambda: server.ask("GET", "/models").json[0]["kind"] == "text")
        (facts,) = server.ask("GET", "/models").json
        assert facts["name"] == "current"
        assert labels(server.ask("POST", "/predict?model=current", b"see you", content_type="text/plain"))


def test_neither_the_server_nor_a_decoder_loads_torch(rich: Server) -> None:
    assert len(rich.image(PHOTO, "?nearest=1&map=true").json["predictions"]) == 1
    decoders = rich.decoders()
    assert decoders
    for pid in (rich.process.pid, *decoders):
        assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()
    for pid in decoders:
        assert "openvino" not in Path(f"/proc/{pid}/maps").read_text()
