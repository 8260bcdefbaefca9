"""What topwork says in another language: the catalogues, and how a text is found in them."""

from __future__ import annotations

import ast
import itertools
import re
import string
from functools import cache
from pathlib import Path

import pytest

import topwork
from topwork._texts import Texts, catalogue, row_words

FOREIGN = ("says_usage", "says_foreign", "error_")
"""How the keys begin of what typer, pydantic, libjpeg and the operating system say."""

ROOT = Path(topwork.__file__).parent
PACKAGES = (
    "topwork",
    "topwork.page",
    "topwork.report",
    "topwork.server",
    "topwork.tasks.classification",
    "topwork.tasks.detection",
    "topwork.tasks.recognition",
    "topwork.tasks.segmentation",
    "topwork.tasks.text",
    "topwork.cli",
    "topwork.ui",
)


WORDS = {*row_words("en", "image"), *row_words("ko", "image")}
"""Fields that stand for what the rows are called: one language may need others than another."""


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name} - WORDS


@pytest.mark.parametrize("package", PACKAGES)
def test_every_english_text_has_a_korean_one_with_the_same_fields(package: str) -> None:
    english, korean = (catalogue(package, language) for language in ("en", "ko"))
    for kind in ("texts", "named"):
        assert list(english[kind]) == list(korean[kind])
        for key, text in english[kind].items():
            assert text.strip()
            assert fields(text) == fields(korean[kind][key]), key


@pytest.mark.parametrize(
    "said",
    [
        "/a/b.zip: '../my file.txt' would lie outside the folder, so it was not unpacked",
        "/a/b: the code of torchhub:a/b:c@01 has changed since it was trusted, so it is not run",
        "delete /a/my b, and topwork models torchhub:a/b:c@01 --trust",
        "/a/x.h5: 3 of the 40 layers of keras-vgg16 are missing, such as fc1 (there is fc3, fc4)",
        "my.keras has weights of its own, and other weights.h5 was given too",
        "features: the id cats/1.jpg is there twice",
        "photos: contains no model.safetensors",
    ],
)
def test_what_names_a_file_is_found_whatever_it_is_called(said: str) -> None:
    """A field with the name of a row's word would stand for that word alone."""
    korean = Texts("ko").said(said)
    assert re.search("[가-힣]", korean)
    assert all(name in korean for name in re.findall(r"\S*/\S*(?=[ :,])", said))


def pairs(text: str) -> set[tuple[str, str]]:
    """Words that stand beside each other."""
    words = re.findall(r"[\w'%-]+", text.lower())
    return set(itertools.pairwise(words))


@cache
def said_somewhere() -> set[tuple[str, str]]:
    """Of every string of the source, of the pages' texts and of the catalogue of backbones."""
    trees = [ast.parse(file.read_text("utf-8")) for file in ROOT.rglob("*.py")]
    nodes = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    tables = ("catalogue.tsv", "text_catalogue.tsv", "detectors.tsv", "segmenters.tsv", "domains.tsv")
    files = (*(ROOT / "backbones" / name for name in tables), ROOT / "datasets" / "datasets.tsv")
    catalogued = [line for file in files for line in file.read_text("utf-8").splitlines()]
    texts = [*(each for each in nodes if isinstance(each, str)), *catalogued]
    return set().union(*map(pairs, (*texts, *catalogue("topwork.report", "en")["texts"].values())))


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_looked_up_is_what_the_source_says(package: str) -> None:
    """A sentence that is changed in the source would be shown in English from then on.

    One pair of words may be new in a clause, since a sentence may be put together of two pieces.
    """
    lost = []
    for key, text in catalogue(package, "en")["named"].items():
        plain = [] if key.startswith(FOREIGN) else string.Formatter().parse(text)
        clauses = [each for piece, _, _, _ in plain for each in re.split(r"[:;,.()]", piece)]
        lost += [(key, each) for each in clauses if len(pairs(each) - said_somewhere()) > 1]
    assert lost == []


KOREAN = Texts("ko", PACKAGES)


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("3 of 2,002 images are almost one uniform surface.", "이미지 2,002장 중 3장은 거의 단색입니다."),
        ("1 pair of nearly identical images.", "거의 같은 이미지가 1쌍 있습니다."),
        ("  a/b: c.png: no such file", "  a/b: c.png: 그런 파일이 없음"),
        ("leakage: 1 held-out image with an exact copy in another split (up to 50.0% of a split).",
         "leakage: 평가 이미지 1장과 완전히 같은 것이 다른 세트에도 있습니다(한 세트의 최대 50.0%)."),
        ("all images were classified correctly.", "모든 이미지를 올바르게 분류했습니다."),
        ("int8 is not worth it for this model: it answers 1.0% of 80 held-out images otherwise (at most 0.5% may); it "
         "is 0.90 times as fast with 1 a call and 1.05 times as fast with 8 a call on this machine (one of them must "
         "reach 1.1); nothing was written",
         "이 모델은 int8로 바꿀 만하지 않습니다: 빼 둔 이미지 80장 중 1.0%에 다르게 답합니다(0.5%까지 허용); "
         "이 컴퓨터에서 속도가 한 번에 1장이면 0.90배, 8장이면 1.05배입니다(하나는 1.1배 이상이어야 함); "
         "아무것도 쓰지 않았습니다"),
        ("--int8 needs images that trained the model and at least 64 that did not; of these 90 60 did and 30 did not",
         "--int8에는 모델을 학습시킨 이미지와, 학습에 쓰지 않은 이미지 64장 이상이 필요합니다. "
         "이 90장 중 60장은 학습에 썼고 30장은 쓰지 않았습니다"),
        ("its head is not linear but of the kind knn", "헤드가 선형이 아니라 knn 종류입니다"),
        ("--columns path=NAME takes one of these names", "--columns path=이름에는 이 이름들 가운데 하나를 씁니다"),
        ("a TIFF of this kind needs tifffile, which is not installed",
         "이런 종류의 TIFF에 필요한 tifffile이(가) 설치되어 있지 않습니다"),
        ("the network resnet18 needs PyTorch, which is not installed",
         "네트워크 resnet18에 필요한 PyTorch가 설치되어 있지 않습니다"),
        ("a new thing needs tifffile, which is not installed", "a new thing needs tifffile, which is not installed"),
        ("red, box", "red, box"),  # the name of a class, not a count
        ("Nothing that topwork says.", "Nothing that topwork says."),
        ("note: nothing that topwork says", "note: nothing that topwork says"),
        ("add images; buy a camera", "add images; buy a camera"),
        ("a\tcat\tno such file", "a\tcat\tno such file"),
        ("", ""),
        (": ", ": "),
        (". ; : {} {0} {x!r} %s", ". ; : {} {0} {x!r} %s"),
        ("class '{0}\\n{n}'", "클래스 ‘{0}\\n{n}’"),
        ("class '" + "x" * 10_000 + "'", "class '" + "x" * 10_000 + "'"),
    ],
)  # fmt: skip
def test_a_text_is_said_whole_or_not_at_all(english: str, korean: str) -> None:
    assert Texts("en").said(english) == english
    assert KOREAN.said(english) == korean


def test_a_part_that_must_be_known_is_not_left_in_english() -> None:
    assert KOREAN.said("damaged PNG: truncated") == "손상된 PNG: 중간에서 잘림"
    assert KOREAN.said("Choice: probe, best features. Not measured.").startswith("선택: 프로브")
    unknown = "Choice: a rung of tomorrow. Not measured."
    assert KOREAN.said(unknown) == unknown
