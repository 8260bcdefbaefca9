"""The page in Korean is told in Korean what is wrong, and everybody else in English."""

from __future__ import annotations

import pytest

from tests.server.wire import MOST, PHOTO, Server
from topwork.server._language import said


@pytest.mark.parametrize(
    ("accept", "empty"),
    [
        ("ko", "텍스트가 비어 있음"),
        ("ko-KR,en;q=0.8", "텍스트가 비어 있음"),
        ("en,ko", "the text is empty"),
        ("", "the text is empty"),
    ],
)
def test_a_refusal_is_said_in_the_language_that_is_asked_for(server: Server, accept: str, empty: str) -> None:
    two = server.predict(
        ("text", None, b" "), ("text", None, b"call me"), asked="?model=messages", accept_language=accept
    )
    assert two.json["predictions"][0]["error"] == empty
    alone = server.predict(("text", None, b" "), asked="?model=messages", accept_language=accept)
    assert alone.refused(422) == empty


def test_images_and_limits_are_told_in_korean(server: Server) -> None:
    damaged = server.predict(("image", "a.jpg", PHOTO[: len(PHOTO) // 2]), accept_language="ko")
    large = server.predict(("image", "a.jpg", bytes(MOST)), accept_language="ko")
    assert damaged.refused(422).startswith("손상된 JPEG")
    assert large.refused(413).startswith("요청이 1,048,576바이트보다 큽니다")


@pytest.mark.parametrize(
    ("accept", "refused", "none"),
    [
        ("en", "has no answers in the format geojson", "has no answers of a type that is accepted"),
        ("ko", "모델은 geojson 형식으로 답하지 않습니다", "모델은 Accept에 적힌 형식으로 답하지 않습니다"),
    ],
)
def test_a_model_of_classes_answers_in_json_alone(server: Server, accept: str, refused: str, none: str) -> None:
    asked = server.predict(("image", "a.jpg", PHOTO), asked="?format=geojson", accept_language=accept)
    assert refused in asked.refused(422)
    accepted = server.predict(("image", "a.jpg", PHOTO), accept="image/png", accept_language=accept)
    assert none in accepted.refused(406)
    assert server.predict(("image", "a.jpg", PHOTO), asked="?format=json", accept="image/png").status == 200
    certain = server.predict(("image", "a.jpg", PHOTO), asked="?certainty=true")
    assert certain.refused(422) == "certainty cannot be asked of this model: it answers with classes"
    certain = server.predict(("image", "a.jpg", PHOTO), asked="?certainty=true", accept_language="ko")
    assert certain.refused(422) == "이 모델에는 certainty을(를) 요청할 수 없습니다. 클래스를 답하는 모델입니다"
    assert certain.json["hint"] == "요청할 수 있는 것: top, coverage, accuracy, map, nearest"


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("top is a whole number, 1 to 1000, not 'x'", "top에는 1부터 1000까지의 정수를 적으며, 'x'은(는) 아닙니다"),
        ("box is left,top,right,bottom in pixels, not '1'",
         "box은(는) 픽셀 단위로 왼쪽,위,오른쪽,아래로 적으며, '1'은(는) 아닙니다"),
        ("pixels: the datatype 'INT8' is not taken", "pixels: 자료형 ‘INT8’은(는) 받지 않습니다"),
        ("#1: the text is not UTF-8", "#1: 텍스트가 UTF-8이 아닙니다"),
        ("the label cannot be used: it is longer than 200 bytes", "그 라벨은 쓸 수 없습니다: 200바이트보다 깁니다"),
        ("it has label, probabilities", "있는 출력: label, probabilities"),
        ("65 images are more than 64", "이미지가 65개로, 한 번에 받는 64개보다 많습니다"),
        ("pets reads texts, and was sent an image", "pets 모델은 텍스트를 읽는데 이미지를 받았습니다"),
        ('send {"texts": ["…"]}', '{"texts": ["…"]} 형식으로 보내세요'),
    ],
)  # fmt: skip
def test_what_is_said_of_a_request_names_what_was_sent(english: str, korean: str) -> None:
    assert said(english, "ko") == korean
    assert said(english, "en") == english


def test_bad_bodies_are_told_in_korean(server: Server) -> None:
    form = server.predict(("picture", "a.jpg", PHOTO), accept_language="ko")
    assert form.refused(422) == "폼에 photo-or-textile 모델이 읽지 않는 필드 ‘picture’이(가) 있습니다"
    assert form.json["hint"] == "모든 필드의 이름을 image(으)로 하세요"
    number = server.predict(("image", "a.jpg", PHOTO), asked="?top=many", accept_language="ko")
    assert number.refused(422).startswith("top에는 1부터 ")
    model = server.predict(("image", "a.jpg", PHOTO), asked="?model=none", accept_language="ko")
    assert model.refused(404) == "‘none’이라는 모델이 없습니다"
    assert model.json["hint"].startswith("있는 모델: ")
