from __future__ import annotations

import re

import pytest

from topwork.backbones import DomainRow, domain_rows, select_domain
from topwork.errors import BackboneError


@pytest.mark.parametrize("row", domain_rows(), ids=lambda row: row.name)
def test_a_row_says_whose_it_is_and_how_it_is_used(row: DomainRow) -> None:
    assert row.reads in ("image", "text")
    assert row.parameters > 0
    assert all((row.licence, row.pretrained_on, row.source, row.advice))
    assert row.address.startswith("https://")
    name, weights, pickled = re.fullmatch(
        r"--backbone (\S+?)(?: --weights (\S+?))?( --allow-pickle)?", row.options
    ).groups()  # type: ignore[union-attr]
    assert (weights is None) or row.address.endswith(f"/{weights}")  # the file that is to be downloaded
    assert bool(pickled) == bool(weights and weights.endswith(".pth"))
    assert ("/" in name) == (row.reads == "text")


def test_timm_knows_the_images_networks_and_says_the_same_of_their_licences() -> None:
    import timm
    from timm.models import get_pretrained_cfg

    for row in (each for each in domain_rows() if each.reads == "image"):
        name = row.options.split()[1]
        assert timm.is_model(name)
        if "--weights" not in row.options:
            settings = get_pretrained_cfg(name)
            assert settings is not None
            assert row.address.endswith(str(settings.hf_hub_id))
            assert str(settings.license).replace("-", " ").lower() == row.licence.lower()


def test_a_field_that_is_not_there_is_told() -> None:
    assert {row.domain for row in select_domain("Medical ")} == {"medical"}
    with pytest.raises(BackboneError, match="no networks of the field 'legal' are known"):
        select_domain("legal", reads="image")
