import numpy as np
import pytest

from topwork.metrics import Shift, shift, typicality


def test_typicality_by_hand():
    reference = np.array([1.0, 2.0, 3.0, 4.0])
    assert typicality(np.array([0.5, 2.0, 3.5, 9.0]), reference).tolist() == [1.0, 0.8, 0.4, 0.2]


@pytest.mark.parametrize("references", [19, 40, 300, 1999])
@pytest.mark.parametrize("images", [1, 7, 100, 1000])
def test_false_alarms_stay_below_five_in_a_hundred(references, images):
    """Also for few reference images, where their own quantile is far off now and then."""
    rng = np.random.default_rng(references + images)
    draws = [rng.standard_normal(references + images) for _ in range(1000)]
    found = [shift(typicality(draw[references:], draw[:references]), references) for draw in draws]
    share = np.mean([each.alarm for each in found])
    assert share < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)
    assert np.mean([each.unfamiliar / images for each in found]) < 0.065


def test_the_law_is_scipys():
    from scipy.stats import betabinom

    low = np.concatenate([np.full(30, 0.01), np.full(70, 0.5)])
    found = shift(low, 399)
    assert found.unfamiliar == 30
    assert found.p_value == pytest.approx(betabinom(100, 20, 380).sf(29), rel=1e-6)


def test_a_few_strange_images_among_many_are_told():
    found = shift(np.concatenate([np.full(15, 0.001), np.linspace(0.06, 1, 85)]), 999)
    assert found.alarm
    assert found == Shift(100, 15, found.p_value)
    assert found.to_dict() == {"images": 100, "unfamiliar": 15, "p_value": found.p_value, "alarm": True}


def test_one_strange_image_is_told_and_one_usual_one_is_not():
    assert shift(np.array([0.001]), 999).alarm
    assert not shift(np.array([0.06]), 999).alarm


def test_too_few_references_never_alarm():
    assert not shift(typicality(np.full(50, 9.0), np.zeros(18)), 18).alarm
    assert shift(typicality(np.full(50, 9.0), np.zeros(19)), 19).alarm


def test_no_images_are_no_alarm():
    assert shift(np.empty(0), 100) == Shift(0, 0, 1.0)
