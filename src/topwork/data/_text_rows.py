"""What a table of texts may hold, and its rows checked and gathered, the texts on their way to the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from statistics import mean

from topwork.data._columns import GROUP_NAMES, LABEL_NAMES, SPLIT_NAMES, Columns, Schema
from topwork.data._layout import SplitCells
from topwork.data._listing import Listing, is_number, label_fault
from topwork.data._names import printable, quoted
from topwork.data._table import Cells, Place
from topwork.data._text_store import TextStore
from topwork.errors import DataError

EMPTY = "the text is empty"
"""Why a row is left out."""

_CSV_HINT = (
    "the first line names the columns: text,label and, if wanted, split,group; "
    "other names are told by --columns text=NAME,label=NAME"
)
SCHEMA = Schema(
    names={
        "text": (
            *("texts", "sentence", "sentences", "review", "review_text", "reviewtext", "comment", "comment_text"),
            *("document", "content", "query", "question", "utterance", "body", "message", "tweet", "post", "headline"),
            *("문장", "텍스트", "본문", "내용", "리뷰", "글", "댓글", "질문", "발화", "문서"),
        ),
        "label": (
            *LABEL_NAMES,
            *("intent", "sentiment", "emotion", "polarity", "topic", "y"),
            *("감정", "감성", "의도", "주제", "유형", "카테고리"),
        ),
        "split": SPLIT_NAMES,
        "group": GROUP_NAMES,
    },
    required=("text", "label"),
    numbers=("text", "label", "group"),
    scalars=("text",),
    gaps=("text", "split", "group"),
    binary=(),
    hints={
        ".csv": _CSV_HINT,
        ".tsv": _CSV_HINT,
        ".jsonl": 'one object a line: {"text": "a good film", "label": "positive"} and, if wanted, "split" and "group"',
        ".parquet": "the columns are text,label and, if wanted, split,group; "
        "other names are told by --columns text=NAME,label=NAME",
    },
    longest=2**28,
)
"""A number as a text is how it is written; a text may be missing, and is left out then."""

_SAMPLED = 10_000  # different texts that are counted
_FEW_ROWS = 4
_WORDS = 4
"""So many words are a sentence rather than a class name, on average."""
_UNIQUE = 0.9
"""Of so many rows a label of its own each is no class, where there is a column that looks more like one."""
_SHOWN = 60  # characters of a text in a message


class TextRows:
    """Checks the rows of any kind of source and gathers them in ``listing``; gives their texts one by one."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.encodings: Counter[str] = Counter()
        self._same: dict[str, str] = {}
        self._seen: set[int] = set()
        self._sampled = 0

    def store(self, texts: Iterator[str]) -> Listing:
        """The listing, with the texts that the methods of this class give."""
        self.listing.store = TextStore.of(texts)
        return self.listing

    def of_table(
        self, rows: Iterable[tuple[Place, Cells]], split: str = "", *, numbered: bool = False
    ) -> Iterator[str]:
        """The texts of a table's rows.

        Args:
            rows: As :func:`~topwork.data._table.table_rows` gives them.
            split: Where the table is a split.
            numbered: Whether a row is known by its number alone.

        Raises:
            DataError: A row cannot be meant as it stands.
        """
        splits = SplitCells()
        for where, cells in rows:
            if fault := label_fault(cells["label"]):
                raise DataError(f"{where}: {fault}")
            name = str(where.number) if numbered else f"{where.table}:{where.number}"
            told = split or splits.named(cells.get("split", ""), str(where))
            yield from self.taken(name, cells["text"], cells["label"], told, cells.get("group", ""))

    def taken(self, name: str, text: str, label: str, split: str, group: str = "") -> Iterator[str]:
        """The text, once its row is in the listing; nothing where it is blank, and then it is left out."""
        label, split, group = (self._same.setdefault(cell, cell) for cell in (label, split, group))  # each held once
        self.listing.add_class(label, split)
        if not text.strip():
            self.listing.leave_out(name, EMPTY)
            return
        self.listing.add(name, label, split, group)
        if self._sampled < _SAMPLED:
            self._sampled += 1
            self._seen.add(hash(text))
        yield text

    def note_unused(self, columns: Columns) -> None:
        """Note the columns that are not read, once for all tables that have them."""
        note = f"unused columns: {quoted(columns.unused)}"
        if columns.unused and note not in self.listing.notes:
            self.listing.notes.append(note)

    def require_classes(self, called: Mapping[str, str], likely: str = "") -> None:
        """Refuse labels that are no classes: sentences, or one of its own for nearly every row where another column has
        classes. Names of which each has one row are classes, as those of images are; the listing notes that.

        Args:
            called: Column -> what it is called in the table.
            likely: The column that looks like the label instead; where it is known.

        Raises:
            DataError: They are. Says which column looks like the label.
        """
        labels = self.listing.labels[: self._sampled]
        count, texts = len(set(labels)), len(self._seen)
        if len(labels) < _FEW_ROWS or 2 * count <= len(labels) or all(map(is_number, labels)):
            return  # whether numbers are classes is asked of every kind of rows
        if 2 * texts <= len(labels):
            likely = likely or called["text"]
        elif mean(map(word_count, set(labels))) < _WORDS and (not likely or count < _UNIQUE * len(labels)):
            return
        name, longest = called["label"], max(labels, key=len)
        choose = f"--columns label={likely}" + (f",text={name}" if likely == called["text"] else "")
        raise DataError(
            f"{self.listing.name}: the label column '{printable(name)}' holds {count:,} different labels in "
            f"{len(labels):,} rows, such as '{printable(shortened(longest))}'"
            + (f"; '{printable(likely)}' looks like the label" if likely else ""),
            hint=f"{choose} reads it" if likely else "a class needs several texts: give the column that names classes",
        )


def word_count(text: str) -> int:
    """How many words a text has; of letters without spaces between words, one for every five."""
    return max(len(text.split()), len(text) // 5 if not text.isascii() else 0)


def shortened(text: str) -> str:
    """The beginning of a text, for a message."""
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
