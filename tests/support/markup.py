"""A page of HTML as a flat list of elements, read strictly: what is opened is closed, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    above: tuple[Element, ...]
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside, white space as a browser shows it."""
        return " ".join("".join(self.parts).split())

    def inside(self, tag: str) -> bool:
        return any(element.tag == tag for element in self.above)


class Markup(HTMLParser):
    """The elements of a page in document order. Raises `ValueError` where tags do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(page)
        self.close()
        if self._open:
            raise ValueError(f"never closed: {[element.tag for element in self._open]}")

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        if len(set(names)) < len(names):
            raise ValueError(f"<{tag}> has an attribute twice: {names}")
        element = Element(tag, dict(attributes), tuple(self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        if not self._open or self._open.pop().tag != tag:
            raise ValueError(f"</{tag}> closes something else, line {self.getpos()[0]}")

    def handle_data(self, data):
        for element in self._open:
            element.parts.append(data)

    def find(self, *tags: str, **attributes: str) -> list[Element]:
        """Elements with one of these tags and these attributes."""
        return [
            element
            for element in self.elements
            if (not tags or element.tag in tags)
            and all(element.attributes.get(name.rstrip("_")) == value for name, value in attributes.items())
        ]
