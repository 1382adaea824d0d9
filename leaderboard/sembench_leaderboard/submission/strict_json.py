"""JSON as strict as its standard, and bounded: no duplicate keys, no NaN, no depth or number without end."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 16
MAX_TEXT = 2_000
MAX_DIGITS = 30
MAX_ACCENTS = 2
"""So many combining characters in a row; more of them draw over the lines above and below."""

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.,()=+/:@-]{0,79}")
_MARKUP = re.compile(r"<[A-Za-z/!?]|\]\s*\(|&#|javascript:", re.IGNORECASE)

Wrong = tuple[str, str, str]
"""Field, problem, remedy."""

_RERUN = "Compute the cell again; results are not edited by hand."


@dataclass(frozen=True)
class _Bad:
    """In place of a value that must not be there."""

    problem: str


@dataclass(frozen=True)
class _Twice:
    """In place of an object that holds a key twice."""

    key: str
    content: dict[str, Any]


def parse(data: bytes) -> tuple[Any, list[Wrong]]:
    """The content of a JSON file, and what is wrong with it; the content is usable only if nothing is."""
    problem = _too_deep(data)
    if problem:
        return None, [("the file", problem, _RERUN)]
    try:
        content = json.loads(
            data.decode("utf-8"),
            parse_constant=lambda text: _Bad(f"{text} is not a number of JSON"),
            parse_float=_number,
            parse_int=_whole,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as error:
        return None, [("the file", f"is not JSON in UTF-8: {error}", "Restore it from where it was written.")]
    return content, list(_wrong(content, ""))


def _too_deep(data: bytes) -> str | None:
    depth = 0
    for match in _BRACKETS.finditer(data):
        symbol = match.group()
        if symbol in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                return f"is nested more than {MAX_DEPTH} levels deep"
        elif symbol in (b"]", b"}"):
            depth -= 1
    return None


def _number(text: str) -> float | _Bad:
    value = float(text) if len(text) <= MAX_DIGITS else math.nan
    return value if math.isfinite(value) else _Bad(f"{text[:MAX_DIGITS]} is beyond the range or the length of a number")


def _whole(text: str) -> int | _Bad:
    return int(text) if len(text) <= MAX_DIGITS else _Bad(f"{text[:MAX_DIGITS]}... is too long for a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Twice:
    content = dict(pairs)
    if len(content) == len(pairs):
        return content
    seen: set[str] = set()
    twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return _Twice(twice, content)


def _wrong(value: Any, field: str) -> Iterator[Wrong]:
    """Everything below a value that must not be there, with the field where it is."""
    if isinstance(value, _Bad):
        yield field or "the file", value.problem, _RERUN
    elif isinstance(value, _Twice):
        yield _below(field, value.key), f"the key {value.key!r} stands twice in one object", "Keep one of the two."
        yield from _wrong(value.content, field)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not _KEY.fullmatch(key):
                accepted = "letters, digits, spaces and _.,()=+/:@- are accepted, 80 at most"
                yield _below(field, key), f"{key!r} is no name: {accepted}", "Rename it where it is declared."
            yield from _wrong(item, _below(field, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if not isinstance(item, (int, float)):
                yield from _wrong(item, _below(field, str(index)))
    elif isinstance(value, str):
        yield from _wrong_text(value, field)


def _wrong_text(text: str, field: str) -> Iterator[Wrong]:
    remedy = "Write plain text where it is declared, and compute the cell again."
    if len(text) > MAX_TEXT:
        yield field, f"holds {len(text):,} characters, more than {MAX_TEXT:,}", remedy
    elif not all(character.isprintable() for character in text):
        yield field, f"{text!r} holds control or invisible characters", remedy
    elif _MARKUP.search(text):
        yield field, f"{text!r} holds markup", remedy
    elif _piled(text):
        yield field, f"{text!r} holds more than {MAX_ACCENTS} combining characters in a row", remedy


def _piled(text: str) -> bool:
    row = 0
    for character in text:
        row = row + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if row > MAX_ACCENTS:
            return True
    return False


def _below(field: str, key: str) -> str:
    return f"{field}.{key}" if field else key
