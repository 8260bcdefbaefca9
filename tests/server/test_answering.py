"""How much may be under way, and for how long: until all is told, not only until the network has answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from topwork.server import Settings
from topwork.server._answering import answer_all, told, under_way
from topwork.server._intake import Input
from topwork.server._question import question
from topwork.server._refusal import RefusedError
from topwork.server._service import Service


def test_what_is_not_told_by_the_deadline_is_given_up_and_makes_room(texts: Path) -> None:
    service = Service(Settings(models=(texts,), queue=2, deadline=0.05))

    async def ask() -> None:
        async with under_way(service, 2):
            assert service.admission.full
            await asyncio.sleep(60)

    with pytest.raises(RefusedError, match=r"within 0\.05 seconds") as refused:
        asyncio.run(ask())
    assert (refused.value.status, service.admission.used) == (504, 0)


def test_more_than_may_be_under_way_is_refused_at_once(texts: Path) -> None:
    service = Service(Settings(models=(texts,), queue=2))

    async def ask() -> None:
        async with under_way(service, 2), under_way(service, 1):
            raise AssertionError("it was admitted")

    with pytest.raises(RefusedError, match="busy"):
        asyncio.run(ask())
    assert service.admission.used == 0


def test_one_bad_text_of_several_has_its_refusal_in_its_place(texts: Path) -> None:
    service = Service(Settings(models=(texts,)))
    served = service.models.get(None)
    assert served is not None

    async def ask() -> list[dict[str, object]]:
        served.warm(lambda count: None)
        inputs = [Input("one", "win a prize"), Input("two", "  "), Input("three", "call me")]
        asked = question({"top": "1"}).wanted
        return await told(served, inputs, await answer_all(service, served, inputs, asked), asked)

    one, two, three = asyncio.run(ask())
    assert two == {"source": "two", "error": "the text is empty"}
    assert [len(each["probabilities"]) for each in (one, three)] == [1, 1]  # type: ignore[arg-type]
    served.close()
