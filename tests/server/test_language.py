"""The page in Korean is told in Korean what is wrong, and everybody else in English."""

from __future__ import annotations

import pytest

from tests.server.wire import MOST, PHOTO, Server


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
