"""Labelled texts of every kind; csv, json, pandas and pyarrow are the oracles."""

from __future__ import annotations

import contextlib
import csv
import json
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topwork.data import LeftOut, TextDataset, looks_like_texts, read, read_texts, text_rows
from topwork.errors import DataError

Write = Callable[[str, str], Path]

REVIEWS = [
    ("A warm, funny film.", "good"),
    ('He said "never again", and meant it.', "bad"),
    ("two\nlines", "good"),
    ("정말 재미있어요 ㅋㅋ", "good"),
    ("tab\there", "bad"),
    ("shalom שלום", "bad"),
]
KINDS = ("csv", "tsv", "jsonl", "parquet")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return path

    return write


def table(path: Path, rows: Sequence[Sequence[Any]], names: Sequence[str] = ("text", "label")) -> Path:
    """Write a table of the kind that the suffix says, with the package that others would use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".csv", ".tsv"):
        with open(path, "w", newline="", encoding="utf-8", errors="surrogatepass") as file:
            csv.writer(file, delimiter="," if path.suffix == ".csv" else "\t").writerows([names, *rows])
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
    else:
        pd.DataFrame(rows, columns=list(names)).to_parquet(path)
    return path


def held(dataset: TextDataset) -> list[tuple[str, str]]:
    """Text and class name of each row."""
    return [(dataset.text(row), dataset.classes[label]) for row, label in enumerate(dataset.labels.tolist())]


def refused(data: object, match: str, **options: Any) -> DataError:
    with pytest.raises(DataError, match=match) as caught:
        read_texts(data, **options)
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_of_any_kind_is_read(kind: str, tmp_path: Path) -> None:
    dataset = read_texts(table(tmp_path / f"reviews.{kind}", REVIEWS))
    assert held(dataset) == REVIEWS
    assert dataset.classes == ("bad", "good")
    assert dataset.paths[0] == ("reviews.csv:2" if kind in KINDS[:2] else "reviews:1").replace(
        "reviews.csv" if kind in KINDS[:2] else "reviews", f"reviews.{kind}"
    )
    assert read_texts(dataset) is dataset
    assert read_texts(dataset, classes=["good", "bad"]).labels.tolist() == [0, 1, 0, 0, 1, 1]


CELLS = st.text(st.characters(exclude_categories=()), max_size=30)


@given(texts=st.lists(CELLS, min_size=2, max_size=12), kind=st.sampled_from(KINDS))
@settings(deadline=None, max_examples=60)
def test_fault_77_any_text_comes_back_or_is_listed(texts: list[str], kind: str) -> None:
    """Control characters, NUL, lone surrogates; blank ones are listed. Parquet has no lone surrogates."""
    if kind == "parquet":
        texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    if kind == "tsv":  # with tabs at the same places as in other lines it cannot be told what quotes are
        texts = [text.replace("\t", " ") for text in texts]
    rows = [(text, "ab"[row % 2]) for row, text in enumerate([*texts, "x", "y", "x", "y"])]
    with tempfile.TemporaryDirectory() as folder:
        dataset = read_texts(table(Path(folder) / f"t.{kind}", rows), classes=["a", "b"])
    assert held(dataset) == [(text, label) for text, label in rows if text.strip()]
    assert {item.reason for item in dataset.left_out} <= {"the text is empty"}
    assert len(dataset) + len(dataset.left_out) == len(rows)


def test_other_names_of_columns_splits_and_groups(write: Write) -> None:
    path = write("r.csv", "id,리뷰,감정,subset,groups\n1,좋아요,긍정,train,a\n2,별로,부정,Training,\n3,음,긍정,dev,b\n")
    dataset = read_texts(path)
    assert held(dataset) == [("좋아요", "긍정"), ("별로", "부정"), ("음", "긍정")]
    assert dataset.splits.tolist() == ["train", "train", "val"]
    assert dataset.groups == ("a", "", "b")
    assert "unused columns: 'id'" in dataset.notes
    path = write("q.csv", "question,sentence,label,other\na b,c d,1,x\ne f,g h,0,y\n")
    assert "--columns text=question" in refused(path, "which is the text: 'question', 'sentence'").hint
    asked = read_texts(path, columns={"text": "sentence", "label": "other"})
    assert held(asked) == [("c d", "x"), ("g h", "y")]
    refused(path, "no column 'path' is read; these are: text, label, split, group", columns={"path": "x"})


def test_numbers_and_gaps_as_texts(write: Write, tmp_path: Path) -> None:
    """What is missing in any of the usual ways is left out, and named."""
    expected = [("12", "b"), ("3.5", "a"), ("7", "b")]
    csv_table = write("t.csv", "text,label\n12,b\n3.5,a\n,a\n7,b\n")
    lines = [{"text": text, "label": label} for text, label in [(12, "b"), (3.5, "a"), (None, "a"), (7.0, "b")]]
    json_table = write("t.jsonl", "\n".join(map(json.dumps, lines)))
    frame = pd.DataFrame({"text": [12, 3.5, np.nan, 7], "label": list("baab")})
    frame.to_parquet(tmp_path / "t.parquet")
    pair = ([12, 3.5, float("nan"), np.float32(7)], list("baab"))
    names = ("t.csv:4", "t.jsonl:3", "t.parquet:3", "2", "2")
    for data, name in zip((csv_table, json_table, tmp_path / "t.parquet", frame, pair), names, strict=True):
        dataset = read_texts(data)
        assert held(dataset) == expected
        assert dataset.left_out == (LeftOut(name, "the text is empty"),)


def test_a_row_without_a_label_is_named(write: Write) -> None:
    refused(write("t.csv", "text,label\na,x\nb,\n"), r"t\.csv, line 3: the label is empty")
    refused(write("t.jsonl", '{"text":"a","label":"x"}\n{"text":"b","label":null}\n'), "line 2: 'label' is null")
    refused(pd.DataFrame({"text": ["a", "b"], "label": ["x", None]}), "data frame, row 1: 'label' is null")
    refused((["a", "b"], ["x", None]), "the label of row 1 is missing")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "", "the file is empty"),
        ("t.jsonl", "", "the file is empty"),
        ("t.csv", "text,label\n", "no training rows"),
        ("t.csv", "text,label\n,a\n ,b\n", "no usable text"),
        ("t.csv", "text,label\na,x\nb,x\n", "only one class, 'x'"),
        ("t.csv", "text,label\na,x\n\t,y\n", "only class 'x' has training texts"),
        ("t.csv", "words,label\na,x\nb,y\n", "no column 'text' among 'words', 'label'"),
        ("t.csv", "text,lable\na,x\nb,y\n", "unknown column 'lable'; nearest: 'label'"),
        ("t.csv", "text,label\na, b,x\n", "line 2: 3 fields, expected 2"),
        ("t.csv", 'text,label\n"a" b,x\n', "line 2: not a CSV file"),
        ("t.csv", 'text,label\n"a,x\nb,y\n', "line 3: not a CSV file"),
        ("t.csv", "text,label,split\na,x,train\nb,y,\n", "line 3: some rows name a split"),
        ("t.csv", "text,label,split\na,x,train\nb,y,train\nc,z,test\n", "class 'z' is in test but not in train"),
        ("t.csv", "text,label,group,split\na,x,g,train\nb,y,,train\nc,y,g,test\n", "group 'g' is in both"),
        ("t.csv", "text,label\na,1.5\nb,2.25\n" + "".join(f"c,{n}.5\n" for n in range(9)), "look like measurements"),
        ("t.csv", 'text,label\na,"x,y"\nb,x\nc,y\n', "name several classes for a text"),
        ("t.jsonl", '{"text": ["a"], "label": 1}\n', r"'text' is \[\"a\"\], expected text"),
        ("t.jsonl", "[1]\n", "line 1: not an object"),
        ("t.parquet", "PAR1 no more", "not a Parquet file"),
        ("t.txt", "a\tx\n", "neither a folder nor a file of a supported kind"),
        ("t.csv.gz", "a", "is compressed"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, text: str, message: str, write: Write) -> None:
    assert "image" not in (error := refused(write(name, text), message)).message + error.hint


def test_what_is_not_there_or_no_data_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "gone.csv", "no such folder or file")
    refused("a\0b", "embedded null|no such")
    refused(7, "not a set of texts: a int")
    refused(("one text", ["x"]), "several texts are expected as a list")
    refused((["a", "b", "c"], ["x", "y"]), "3 texts, but 2 labels")


@pytest.mark.parametrize("kind", KINDS)
def test_sentences_as_labels_are_refused_with_the_column_that_looks_like_it(kind: str, tmp_path: Path) -> None:
    rows = [(f"the {n}th of many reviews", "ab"[n % 2], f"c{n}") for n in range(40)]
    path = table(tmp_path / f"t.{kind}", rows, ("label", "text", "id"))
    error = refused(path, "'label' holds 40 different labels in 40 rows, such as 'the .* reviews'; 'text' looks like")
    columns = dict(pair.split("=") for pair in error.hint.split()[1].split(","))
    assert read_texts(path, columns=columns).classes == ("a", "b")
    path = table(tmp_path / f"u.{kind}", rows, ("text", "kind", "label"))
    if kind in KINDS[:2]:
        refused(path, "'label' holds 40 different labels in 40 rows, such as 'c.*'; 'kind' looks like the label")
    else:  # nothing tells the column that would be meant instead
        assert len(read_texts(path).classes) == 40
    refused(([row[0] for row in rows], [row[0] for row in rows]), "40 different labels in 40 rows")


def test_many_short_classes_of_few_texts_are_classes(tmp_path: Path) -> None:
    rows = [(f"text {n}", f"class_{n // 2}") for n in range(60)]
    assert len(read_texts(table(tmp_path / "t.csv", rows)).classes) == 30


@pytest.mark.parametrize("count", [4, 40])
def test_one_text_of_a_class_is_told_as_one_image_is(count: int) -> None:
    """Both read it, and note that nothing can be held out to measure such a class."""
    names = [f"class {number}" for number in range(count)]
    pixels = [np.full((16, 16, 3), number, np.uint8) for number in range(count)]
    of_texts, of_images = read_texts(([f"text {name}" for name in names], names)), read((pixels, names))
    assert of_texts.classes == of_images.classes
    assert [note.replace("text", "image") for note in of_texts.notes] == list(of_images.notes)
    assert "only one training" in of_texts.notes[0]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_a_table_without_a_header_is_told_by_what_it_holds(kind: str, order: tuple[int, int], tmp_path: Path) -> None:
    rows = [("a good film, really", "pos"), ("awful", "neg"), ("I liked it", "pos"), ("boring", "neg"), ("no", "neg")]
    first, *rest = [tuple(row[place] for place in order) for row in rows]
    dataset = read_texts(table(tmp_path / f"t.{kind}", rest, first))
    assert held(dataset) == rows
    assert dataset.paths[0] == f"t.{kind}:1"
    text, label = (place + 1 for place in order)
    assert any(f"column {text} is read as the text, column {label} as the label" in note for note in dataset.notes)
    error = refused(table(tmp_path / f"u.{kind}", rest[1:3], first), "no column 'text', 'label' among")  # too few
    assert "the first line names the columns" in error.hint


def test_quotes_of_a_tsv_are_text_or_quoting_as_its_lines_tell(write: Write) -> None:
    plain = 'text\tlabel\n"open\tx\nshut"\ty\n"both"\tx\nnone\ty\n'
    assert held(read_texts(write("plain.tsv", plain))) == [
        ('"open', "x"),
        ('shut"', "y"),
        ('"both"', "x"),
        ("none", "y"),
    ]
    assert held(read_texts(write("doubled.tsv", 'text\tlabel\n"say ""a"""\tx\nb\ty\n')))[0] == ('say "a"', "x")
    assert held(read_texts(write("all.tsv", '"text"\t"label"\n"a"\t"x"\n"b"\t"y"\n'))) == [("a", "x"), ("b", "y")]
    assert held(read_texts(write("lines.tsv", 'text\tlabel\n"a\nb"\tx\nc\ty\n')))[0] == ("a\nb", "x")


def test_fault_77_ten_megabytes_in_a_cell(tmp_path: Path) -> None:
    long = "an endless line of words, " * 400_000
    for kind in KINDS:
        dataset = read_texts(table(tmp_path / f"t.{kind}", [(long, "a"), ("b", "b")]))
        assert dataset.text(0) == long


def test_a_folder_of_tables_is_its_splits(tmp_path: Path) -> None:
    parts = {"train.tsv": REVIEWS, "dev.tsv": REVIEWS[:2], "test.tsv": REVIEWS[2:4]}
    for name, rows in parts.items():
        table(tmp_path / "set" / name, rows)
    for name in ("README.md", "LICENSE", "vocab.json"):
        (tmp_path / "set" / name).write_text("about it")
    dataset = read_texts(tmp_path / "set")
    assert held(dataset) == [*REVIEWS, *REVIEWS[:2], *REVIEWS[2:4]]
    assert dataset.splits.tolist() == ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    assert [dataset.paths[row] for row in (0, 6, 8)] == [
        "train.tsv:2",
        "dev.tsv:2",
        "test.tsv:3",
    ]  # a text of two lines
    assert dataset.left_out == (LeftOut("vocab.json", "a file beside 'train' that is not 'val' or 'test'"),)
    assert dataset.ignored == 2
    assert held(read_texts(tmp_path)) == held(dataset)  # the folder that holds it alone
    (tmp_path / "set" / "train.tsv").unlink()
    refused(tmp_path / "set", "but no 'train'")
    assert read_texts(tmp_path / "set", classes=["good", "bad"]).labels.tolist() == [0, 1, 0, 0]


def test_tables_in_pieces_and_tables_that_leave_a_question(tmp_path: Path) -> None:
    for name in ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test-00000-of-00001.parquet"):
        table(tmp_path / "hub" / "data" / name, REVIEWS)
    dataset = read_texts(tmp_path / "hub")
    assert dataset.splits.tolist() == ["train"] * 12 + ["test"] * 6
    table(tmp_path / "twice" / "train.csv", REVIEWS)
    table(tmp_path / "twice" / "train.tsv", REVIEWS)
    refused(tmp_path / "twice", "gives one split twice")
    table(tmp_path / "several" / "a.csv", REVIEWS)
    assert held(read_texts(tmp_path / "several")) == REVIEWS
    table(tmp_path / "several" / "b.csv", REVIEWS)
    refused(tmp_path / "several", "holds the tables 'a.csv', 'b.csv': which of them is it")


def test_splits_without_a_header_are_told_by_the_first(tmp_path: Path) -> None:
    rows = [("a good film", "pos"), ("awful", "neg"), ("I liked it", "pos"), ("boring", "neg")]
    table(tmp_path / "train.csv", rows[1:], rows[0])
    table(tmp_path / "test.csv", [("dull", "neg")], ("fine", "pos"))
    assert held(read_texts(tmp_path)) == [*rows, ("fine", "pos"), ("dull", "neg")]


def test_fault_51_a_table_that_is_a_link_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    outside = table(tmp_path / "outside" / "secret.csv", REVIEWS)
    table(tmp_path / "set" / "train.csv", REVIEWS)
    (tmp_path / "set" / "test.csv").symlink_to(outside)
    (tmp_path / "set" / "dev.csv").symlink_to("train.csv")
    dataset = read_texts(tmp_path / "set")
    assert dataset.splits.tolist() == ["train"] * 6 + ["val"] * 6
    assert dataset.left_out == (LeftOut("test.csv", "a link that leaves the data folder"),)
    assert any("--follow-links" in note for note in dataset.notes)
    assert len(read_texts(tmp_path / "set", follow_links=True)) == 18


def test_class_folders_of_files(write: Write, tmp_path: Path) -> None:
    write("set/train/good/1.txt", "fine\nfilm\n")
    write("set/train/good/deep/2.txt", "\ufeffwarm\r\n")
    write("set/train/bad/1.txt", "awful")
    write("set/train/bad/1_mask.txt", "no mask")
    write("set/train/bad/blank.txt", "\n")
    write("set/train/bad/page.html", "<p>")
    write("set/test/bad/1.txt", "x").write_bytes("정말 별로예요".encode("cp949"))
    write("set/test/bad/2.txt", "x").write_bytes(b"\xff\x00\xfe\x00")
    write("set/test/good/1.txt", "x").write_bytes("굿".encode("cp949"))  # too short to be told alone
    dataset = read_texts(tmp_path / "set")
    assert dict(zip(dataset.paths, held(dataset), strict=True)) == {
        "train/bad/1.txt": ("awful", "bad"),
        "train/bad/1_mask.txt": ("no mask", "bad"),
        "train/good/1.txt": ("fine\nfilm", "good"),
        "train/good/deep/2.txt": ("warm", "good"),
        "test/bad/1.txt": ("정말 별로예요", "bad"),
        "test/good/1.txt": ("굿", "good"),
    }
    assert {item.path: item.reason for item in dataset.left_out} == {
        "train/bad/blank.txt": "the text is empty",
        "train/bad/page.html": "its extension '.html' is not that of a text",
        "test/bad/2.txt": "its encoding cannot be recognised",
    }
    assert "2 texts are read as CP949" in dataset.notes
    (tmp_path / "none").mkdir()
    assert "DATA/good/1.txt" in refused(tmp_path / "none", "no class folders").hint


def test_a_pair_and_a_frame(write: Write) -> None:
    texts, labels = zip(*REVIEWS, strict=True)
    frame = pd.DataFrame({"review": texts, "sentiment": labels, "n": 1}, index=[9] * 6)
    for data in ((list(texts), list(labels)), (pd.Series(texts), np.array(labels)), (np.array(texts), labels), frame):
        dataset = read_texts(data)
        assert held(dataset) == REVIEWS
        assert dataset.paths == tuple("012345")
    numbered = read_texts((list(texts), [1, 0, 1, 1, 0, 0]), classes=["bad", "good"])
    assert held(numbered) == REVIEWS
    assert read_texts((["a"], ["good"]), classes=["bad", "good"]).labels.tolist() == [1]


def test_hugging_face_data_sets(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    label = datasets.ClassLabel(names=["pos", "neg", "unseen"])
    rows = {"sentence": ["good", " ", "bad", "odd"], "label": [0, 0, 1, -1], "idx": [0, 1, 2, 3]}
    features = {"sentence": datasets.Value("string"), "label": label, "idx": datasets.Value("int32")}
    one = datasets.Dataset.from_dict(rows, features=datasets.Features(features))
    both = datasets.DatasetDict(train=one, validation=one.select([2]), unsupervised=one)
    both.save_to_disk(tmp_path / "saved")
    for data in (both, tmp_path / "saved"):
        dataset = read_texts(data)
        assert held(dataset) == [("good", "pos"), ("bad", "neg"), ("bad", "neg")]
        assert dataset.classes == ("pos", "neg", "unseen")
        assert dataset.paths == ("train/0", "train/2", "validation/0")
        assert dataset.splits.tolist() == ["train", "train", "val"]
        left_out = {item.path: item.reason for item in dataset.left_out}
        assert left_out["train/1"] == "the text is empty"
        assert left_out["train/3"] == "no label"
        assert "unsupervised" in left_out
        assert dataset.notes[0] == "unused columns: 'idx'"
    renamed = one.rename_columns({"sentence": "words", "label": "kind"}).select([0, 2])
    assert held(read_texts(renamed)) == [("good", "pos"), ("bad", "neg")]  # the only ones of their kinds
    two = renamed.add_column("more", ["c", "d"])
    refused(two, "no column 'text'")
    assert held(read_texts(two, columns={"text": "more"})) == [("c", "pos"), ("d", "neg")]
    refused(one.to_iterable_dataset(), "streams")
    swapped = datasets.Dataset.from_dict(
        {"label": [f"text number {n} of 20" for n in range(20)], "text": list("ab") * 10}
    )
    assert "label=text,text=label" in refused(swapped, "'text' looks like the label").hint


def test_texts_stay_on_the_disk(tmp_path: Path) -> None:
    """Of 12 MB of texts, the names alone are held; each is about 100 bytes."""
    rows = [(f"{n} " + "word " * 120, "ab"[n % 2]) for n in range(20_000)]
    path = table(tmp_path / "t.csv", rows)
    tracemalloc.start()
    dataset = read_texts(path)
    held_bytes, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 9_000_000 < path.stat().st_size
    assert held_bytes < 5_000_000
    assert dataset.text(19_999) == rows[-1][0]


PIECES = (
    *(b"text", b"label", b",", b"\t", b";", b"\n", b"\r", b'"', b'""', b"pos", b"\0", b"\xff", b"\xff\xfe", b" ", b"1"),
    *(b"text,label\n", b"text\tlabel\n", b"a,pos\nb,neg\n", b"a\tpos\nb\tneg\n", b"\xef\xbb\xbf", b"\xed\xa0\x80"),
    *("한글".encode(), "한글".encode("cp949"), b'{"text":"a","label":"b"}\n', b"{", b'"text":', b"NaN", b"1e999", b"["),
)


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30), kind=st.sampled_from((*KINDS, "txt")))
@settings(deadline=None, max_examples=150)
def test_whatever_a_file_holds_it_is_read_or_refused(pieces: list[bytes], kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"train.{kind}"
        path.write_bytes(b"".join(pieces))
        for each in (read_texts, looks_like_texts, lambda given: list(text_rows(given))):
            for place in (path, path.parent):
                with contextlib.suppress(DataError):
                    each(place)
