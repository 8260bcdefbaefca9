from __future__ import annotations

from pathlib import Path

import pytest

from topwork.errors import DataError
from topwork.tasks._classes._prompts import label_names, prompts
from topwork.tasks.classification.strategies import TEMPLATES, read_descriptions, read_templates


def test_names_of_folders_become_words() -> None:
    told = prompts(["golden_retriever", "Siamese cat"], templates=("{}", "a photo of a {}."))
    assert told == (
        ("golden retriever", "a photo of a golden retriever."),
        ("Siamese cat", "a photo of a Siamese cat."),
    )


def test_there_are_several_prompts_a_class() -> None:
    told = prompts(["cat", "dog"])
    assert all(len(set(each)) == len(TEMPLATES) == 7 for each in told)


def test_labels_are_matched_by_what_they_name_and_not_by_their_order() -> None:
    told = prompts(["dog", "cat", "hot_dog"], labels=["a sleepy cat", "a hot dog", "The dog"], templates=("a {}",))
    assert told == (("a dog",), ("a sleepy cat",), ("a hot dog",))


def test_descriptions_take_the_names_place() -> None:
    told = prompts(["ok", "ng"], descriptions={"ng": ["a torn thread", "a hole"]}, templates=("{}", "cloth with a {}."))
    assert told[0] == ("ok", "cloth with a ok.")
    assert told[1] == ("torn thread", "cloth with a torn thread.", "hole", "cloth with a hole.")


def test_descriptions_from_lines(tmp_path: Path) -> None:
    file = tmp_path / "told.txt"
    file.write_text("# two of them\nng: a torn thread\n\nng : a hole: round\nok: plain cloth\n", "utf-8")
    assert read_descriptions(file) == {"ng": ("a torn thread", "a hole: round"), "ok": ("plain cloth",)}


def test_descriptions_from_json(tmp_path: Path) -> None:
    file = tmp_path / "told.json"
    file.write_text('{"ng": ["a torn thread", "a hole"], "ok": "plain cloth"}', "utf-8-sig")
    assert read_descriptions(file) == {"ng": ("a torn thread", "a hole"), "ok": ("plain cloth",)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a hole", "line 1: no class or no description"),
        ("ng:", "line 1"),
        ('{"ng": 3}', "neither a text nor a list of texts"),
        ('{"ng": []}', "neither a text nor a list of texts"),
        ('{"ng": ["x", 3]}', "neither a text nor a list of texts"),
        ('{"ng": ', "not valid JSON"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_descriptions_that_are_none(tmp_path: Path, text: str | bytes, said: str) -> None:
    file = tmp_path / "told"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=said):
        read_descriptions(file)


def test_prompts_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("# mine\n\n a drawing of a {}. \n{}\n", "utf-8")
    assert read_templates(file) == ("a drawing of a {}.", "{}")
    file.write_text("# none\n", "utf-8")
    with pytest.raises(DataError, match="contains no prompt"):
        read_templates(file)
    with pytest.raises(DataError, match="cannot be read"):
        read_templates(tmp_path / "missing")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("a cat", " "), "a label is empty"),
        (("a cat", "the Cat"), "'a cat', 'the Cat' have the same text"),
        (("a cat", "a dog", "a fox"), "3 labels for 2 classes"),
        (("a cat", "a fox"), "label 'a fox' matches no remaining class of the data"),
        (("a cat", "a black cat"), "label 'a black cat' matches no remaining class of the data"),
        (("a cat and a dog", "a dog"), "matches no remaining class"),
        (("a cat",), "two labels are needed"),
    ],
)
def test_labels_that_are_wrong(labels: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        prompts(["cat", "dog"], labels=labels)


def test_labels_alone_are_the_classes() -> None:
    assert label_names([" a cat ", "a dog"]) == ("a cat", "a dog")


def test_a_description_of_no_class_names_the_nearest() -> None:
    with pytest.raises(DataError, match="description of 'catt', which is not a class") as caught:
        prompts(["cat", "dog"], descriptions={"catt": ["x"]})
    assert "'cat'" in caught.value.hint


def test_a_template_needs_a_place_for_the_class() -> None:
    with pytest.raises(DataError, match=r"has no \{\}"):
        prompts(["cat", "dog"], templates=("a photo",))
    with pytest.raises(DataError, match="no prompt was given"):
        prompts(["cat", "dog"], templates=())


def test_classes_that_nothing_tells_apart_are_refused() -> None:
    with pytest.raises(DataError, match="the same text"):
        prompts(["cat_1", "cat 1"])
    with pytest.raises(DataError, match="class 'dog' has an empty label"):
        prompts(["cat", "dog"], descriptions={"dog": [" "]})
