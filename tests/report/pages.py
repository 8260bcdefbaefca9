"""Reads a page as a tree with the standard library's parser, and refuses what a browser would have to mend."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np
import numpy.typing as npt
from PIL import Image

VOID = {"meta", "img", "br", "hr", "link", "input"}
TEXT_ONLY = {"p", "h1", "h2", "h3", "dt", "figcaption", "title", "a", "code"}
BLOCKS = {"p", "ul", "ol", "li", "div", "dl", "table", "figure", "article", "section", "header", "h1", "h2", "h3"}


@dataclass
class Node:
    tag: str
    attributes: dict[str, str]
    children: list[Node | str] = field(default_factory=list)

    def all(self, *tags: str) -> list[Node]:
        return [node for node in self.nodes() if node.tag in tags]

    def one(self, tag: str) -> Node:
        (found,) = self.all(tag)
        return found

    def classed(self, name: str) -> list[Node]:
        return [node for node in self.nodes() if name in node.attributes.get("class", "").split()]

    def nodes(self) -> Iterator[Node]:
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child.nodes()

    @property
    def text(self) -> str:
        pieces = (child if isinstance(child, str) else f" {child.text} " for child in self.children)
        return " ".join("".join(pieces).split())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Node("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute comes twice in <{tag}>"
        if tag in BLOCKS:
            inside = {node.tag for node in self.open} & TEXT_ONLY
            assert not inside, f"<{tag}> inside {inside}"
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(html: str) -> Node:
    """The page's root."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.open) == 1, f"never closed: {[node.tag for node in reader.open[1:]]}"
    return reader.open[0].one("html")


def pixels(uri: str) -> npt.NDArray[np.uint8]:
    """The picture in a data URI, (H, W, 3)."""
    head, _, content = uri.partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(content, validate=True))) as image:
        return np.asarray(image.convert("RGB"))


def finding_section(page: Node, name: str) -> Node:
    """The part of the page that speaks of one finding."""
    (found,) = [node for node in page.all("article") if node.attributes["aria-labelledby"] == name]
    return found


def offered(page: Node) -> dict[str, str]:
    """What the page says can be added, by the headings of what is missing: the commands."""
    found = [node for node in page.all("section") if node.attributes["aria-labelledby"] == "missing"]
    names = [node.text for section in found for node in section.all("dt")]
    return dict(zip(names, (node.text for section in found for node in section.all("code")), strict=False))
