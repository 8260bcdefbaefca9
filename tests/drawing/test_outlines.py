"""A box that is drawn: its colour is its class's, wherever that is."""

from __future__ import annotations

import pytest

from topwork.drawing import Outline, class_colours


@pytest.mark.parametrize("label", [0, 3, 17])
def test_a_class_has_one_colour_however_many_there_are(label: int) -> None:
    red, green, blue = class_colours(40)[label].tolist()
    assert Outline((0, 0, 1, 1), label).colour == f"#{red:02x}{green:02x}{blue:02x}"
