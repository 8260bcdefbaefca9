from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.model.samples import photos
from topwork.backbones import Preprocessing
from topwork.data import decode
from topwork.tasks.classification.strategies._augment import Augmentation, Level, Orient, _operations


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    square = Preprocessing(size=96)(decode(Path(photos()[0])))
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)


@pytest.mark.parametrize("level", ["none", "light", "colour", "rand"])
@pytest.mark.parametrize("orient", ["none", "mirror", "any"])
def test_it_is_a_function_of_the_seed_alone(image: torch.Tensor, level: Level, orient: Orient) -> None:
    augmentation = Augmentation(level, orient)
    before, state = image.clone(), torch.random.get_rng_state()
    first = [augmentation(image, seed) for seed in range(12)]
    np.random.seed(5)
    torch.manual_seed(5)
    second = [augmentation(image, seed) for seed in reversed(range(12))][::-1]
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert all(each.dtype == torch.uint8 and each.shape == image.shape for each in first)
    assert torch.equal(image, before)
    torch.random.set_rng_state(state)
    augmentation(image, 1)
    assert torch.equal(torch.random.get_rng_state(), state)  # the network's own randomness is left alone
    kinds = {each.numpy().tobytes() for each in first}
    assert len(kinds) == 1 if (level, orient) == ("none", "none") else len(kinds) > 1


def turned(image: torch.Tensor) -> list[torch.Tensor]:
    return [base.rot90(turns, (-2, -1)) for base in (image, image.flip(-1)) for turns in range(4)]


@pytest.mark.parametrize(("orient", "ways"), [("none", 1), ("mirror", 2), ("any", 8)])
def test_images_are_turned_as_allowed_and_no_other_way(image: torch.Tensor, orient: Any, ways: int) -> None:
    found = {Augmentation("none", orient)(image, seed).numpy().tobytes() for seed in range(200)}
    allowed = {"none": [image], "mirror": [image, image.flip(-1)], "any": turned(image)}[orient]
    assert found == {each.contiguous().numpy().tobytes() for each in allowed}
    assert len(found) == ways


def test_every_operation_of_randaugment_gives_an_image(image: torch.Tensor) -> None:
    same = 0
    for operation in _operations(96):
        for amount in (-1.0, 0.3, 1.0):
            changed = operation(image, amount)
            assert (changed.dtype, changed.shape) == (torch.uint8, image.shape)
            same += torch.equal(changed, image)
    assert same <= 6  # the identity, and what a picture's own range leaves as it is
