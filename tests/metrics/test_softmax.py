import numpy as np
import pytest

from topwork.metrics import softmax


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 2e-3), (np.float32, 3e-7), (np.float64, 1e-15)])
@pytest.mark.parametrize("temperature", [0.05, 1.0, 3.7])
@pytest.mark.parametrize("shape", [(1, 2), (7, 40), (3, 5, 11)])
def test_it_is_scipys_of_the_scaled_logits_in_their_own_type(shape, temperature, dtype, tolerance):
    from scipy import special

    logits = np.random.default_rng(0).normal(0, 4, shape).astype(dtype)
    before = logits.copy()
    found = softmax(logits, temperature)
    scaled = logits / dtype(temperature)
    np.testing.assert_allclose(found, special.softmax(scaled.astype(np.float64), axis=1), rtol=0, atol=tolerance)
    assert found.dtype == dtype
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize("temperature", [1.0, np.float64(2.5)])
def test_in_place_gives_the_same_bytes(temperature):
    logits = np.random.default_rng(0).normal(0, 4, (50, 9)).astype(np.float32)
    expected = softmax(logits, temperature)
    assert softmax(logits, temperature, out=logits) is logits
    assert (logits.dtype, logits.tobytes()) == (np.float32, expected.tobytes())


def test_huge_logits_do_not_overflow():
    assert softmax(np.array([[1e38, 0.0], [-1e38, 1e38]], np.float32)).tolist() == [[1, 0], [0, 1]]
    assert softmax(np.empty((0, 3))).shape == (0, 3)
