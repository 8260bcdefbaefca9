"""`topwork data`: open data sets by name, and the networks of one field."""

from __future__ import annotations

from pathlib import Path

import pytest

from topwork.data import read
from topwork.datasets import data_rows

from .conftest import Run


def test_the_data_sets_are_listed_with_their_licences(run: Run) -> None:
    told = run("data", "list", "--json").json["data"]
    assert [each["name"] for each in told] == [row.name for row in data_rows()]
    assert all(each["licence"] and each["source"] for each in told)
    shown = run("data", "list", "--task", "text").out
    assert "nsmc" in shown
    assert "pets" not in shown
    details = run("data", "list", "eurosat").out
    assert "https://zenodo.org/records/7711810" in details
    assert "94.7 MB" in details


def test_what_a_package_holds_is_written_as_fit_reads_it(run: Run, tmp_path: Path) -> None:
    done = run("data", "get", "digits", "-o", str(tmp_path / "digits"), "--offline")
    assert done.code == 0
    assert f"topwork fit {tmp_path / 'digits'} -o MODEL" in done.out
    assert "licence of digits: CC-BY-4.0" in done.err
    dataset = read(tmp_path / "digits")
    assert (len(dataset), len(dataset.classes)) == (1797, 10)
    again = run("data", "get", "digits", "-o", str(tmp_path / "digits"), "--offline", "--json")
    assert again.json["data"] == str(tmp_path / "digits")


def test_what_is_not_here_is_not_downloaded_offline(run: Run, tmp_path: Path) -> None:
    error, hint = run("data", "get", "eurosat", "-o", str(tmp_path / "land"), "--offline", "-q").failed()
    assert "nothing is downloaded with --offline" in error
    assert str(tmp_path / "land.download" / "EuroSAT_RGB.zip") in hint


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("data", "get"), "name a data set"),
        (("data", "get", "pets", "--task", "text"), "--task is for `topwork data list`"),
        (("data", "list", "-o", "x"), "-o is for `topwork data get`"),
        (("models", "lite0", "--domain", "legal"), "NAME cannot be used with --domain"),
        (("models", "--domain", "legal", "--max-gmacs", 1), "--max-gmacs cannot be used with --domain"),
        (("models", "--trust"), "--trust is for a network of torch.hub"),
    ],
)
def test_a_wrong_command_line_is_told(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert said in " ".join(done.err.split())


def test_a_wrong_name_names_the_nearest(run: Run) -> None:
    error, hint = run("data", "get", "eurosatt", "-q").failed()
    assert error == "no data set is called 'eurosatt'"
    assert "eurosat" in hint


def test_the_networks_of_a_field_say_which_options_take_them(run: Run) -> None:
    told = run("models", "--domain", "satellite", "--json").json["models"]
    assert {each["domain"] for each in told} == {"satellite"}
    assert "--weights" in run("models", "--domain", "satellite").out
    assert [each["reads"] for each in run("models", "--domain", "medical", "--reads", "text", "--json").json["models"]]
    free = run("models", "--domain", "legal", "--licence", "free", "--max-params", 10, "--json").json["models"]
    assert free == []  # what is there has more
    free = run("models", "--domain", "medical", "--licence", "free", "--json").json["models"]
    assert {each["licence"] for each in free} == {"MIT", "Apache-2.0"}
    error, hint = run("models", "--domain", "cooking").failed()
    assert "cooking" in error
    assert "satellite, medical, legal" in hint
