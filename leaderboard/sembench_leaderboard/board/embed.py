"""Tables of a board in other documents, in regions between two comments.

A region names a suite, a section of its board and the tables to show::

    <!-- board: open / All data sets / Accuracy, Ghosting -->
    <!-- end of board -->
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sembench.errors import SembenchError

_START, _END = re.compile(r"<!-- board: (.+?) -->"), "<!-- end of board -->"
_TITLE = re.compile(r"### (.+)|\*\*([^*]+)\*\*")

Blocks = dict[tuple[str, str], list[str]]


def fill(text: str, board: Callable[[str], str]) -> str:
    """A Markdown document whose regions show tables of ``board.md``, by suite; everything else is as it was.

    Raises:
        SembenchError: If a region has no end, or names something else than suite, section and tables of a board.
    """
    parts, rest = [], text
    while (start := _START.search(rest)) is not None:
        inside, end, after = rest[start.end() :].partition(_END)
        if not end or _START.search(inside):
            raise SembenchError(f"region {start[0]!r} has no end; close it with {_END!r}.")
        parts += [rest[: start.end()], "\n\n", _shown(start[1], board), "\n\n", end]
        rest = after
    return "".join([*parts, rest])


def _shown(named: str, board: Callable[[str], str]) -> str:
    """The tables that a region names, each below its title."""
    fields = [field.strip() for field in named.split("/")]
    if len(fields) != 3:
        raise SembenchError(f"region 'board: {named}' must read 'board: SUITE / SECTION / TABLE, TABLE, ...'.")
    suite, section, titles = fields
    found, shown = _tables(board(suite)), []
    for title in (title.strip() for title in titles.split(",")):
        if (section, title) not in found:
            known = "; ".join(f"{part} / {name}" for part, name in found)
            raise SembenchError(f"the board of {suite} has no table {section!r} / {title!r}; it has {known}.")
        shown += [f"**{title}**", *found[section, title]]
    return "\n\n".join(shown)


def _tables(page: str) -> Blocks:
    """Tables of a board with their notes, by section and title; the controls' have the titles of those before."""
    found: Blocks = {}
    section = title = ""
    for block in page.strip().split("\n\n"):
        named = _TITLE.fullmatch(block)
        if block.startswith("## "):
            section, title = block.removeprefix("## "), ""
        elif named:
            title = named[1] or named[2]
            title = "" if (section, title) in found else title
        elif title and (block.startswith("|") or (block.startswith("- (") and (section, title) in found)):
            found.setdefault((section, title), []).append(block)
    return found
