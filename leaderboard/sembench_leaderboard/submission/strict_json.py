"""JSON as strict as its standard, and bounded: no duplicate keys, no NaN, no depth or number without end."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

from sembench_leaderboard.submission.problem import RERUN, WHOLE, Wrong

MAX_DEPTH = 16
MAX_TEXT = 2_000
MAX_DIGITS = 30
MAX_ACCENTS = 2
"""Combining characters in a row; more of them draw over the lines above and below."""

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_STEP = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.,()=+/:@-]{0,79}")
_MARKUP = re.compile(r"<[A-Za-z/!?]|\]\s*\(|&#|javascript:", re.IGNORECASE)


@dataclass(frozen=True)
class _Bad:
    """Stands in for a number that must not be there, or for an object that holds ``key`` twice."""

    text: str
    key: str = ""
    content: Any = None


def parse(data: bytes) -> tuple[Any, list[Wrong]]:
    """The content of a JSON file, and what is wrong with it; the content is usable only if nothing is."""
    if _too_deep(data):
        return None, [Wrong(WHOLE, f"is nested more than {MAX_DEPTH} levels deep")]
    try:
        content = json.loads(
            data.decode("utf-8"),
            parse_constant=lambda text: _Bad(f"{text} is not a number of JSON"),
            parse_float=_number,
            parse_int=_whole,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as error:
        return None, [Wrong(WHOLE, f"is not JSON in UTF-8: {error}", "Restore it from where it was written.")]
    return content, list(_wrong(content, ""))


def _too_deep(data: bytes) -> bool:
    steps = (_STEP.get(match.group(), 0) for match in _BRACKETS.finditer(data))
    return any(depth > MAX_DEPTH for depth in accumulate(steps))


def _number(text: str) -> float | _Bad:
    value = float(text) if len(text) <= MAX_DIGITS else math.nan
    return value if math.isfinite(value) else _Bad(f"{text[:MAX_DIGITS]} is beyond the range or the length of a number")


def _whole(text: str) -> int | _Bad:
    return int(text) if len(text) <= MAX_DIGITS else _Bad(f"{text[:MAX_DIGITS]}... is too long for a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Bad:
    content = dict(pairs)
    if len(content) == len(pairs):
        return content
    twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
    return _Bad(f"the key {twice!r} stands twice in one object", twice, content)


def _wrong(value: Any, field: str) -> Iterator[Wrong]:
    """Everything below a value that must not be there, with the field where it is."""
    if isinstance(value, _Bad):
        remedy = "Keep one of the two." if value.key else RERUN
        yield Wrong(_below(field, value.key) or WHOLE, value.text, remedy)
        yield from _wrong(value.content, field)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not _KEY.fullmatch(key):
                accepted = "letters, digits, spaces and _.,()=+/:@- are accepted, 80 at most"
                yield Wrong(_below(field, key), f"{key!r} is no name: {accepted}", "Rename it where it is declared.")
            yield from _wrong(item, _below(field, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if not isinstance(item, (int, float)):
                yield from _wrong(item, _below(field, str(index)))
    elif isinstance(value, str):
        yield from _wrong_text(value, field)


def _wrong_text(text: str, field: str) -> Iterator[Wrong]:
    remedy = "Write plain text where it is declared, and compute the run again."
    if len(text) > MAX_TEXT:
        yield Wrong(field, f"holds {len(text):,} characters, more than {MAX_TEXT:,}", remedy)
    elif not all(character.isprintable() for character in text):
        yield Wrong(field, f"{text!r} holds control or invisible characters", remedy)
    elif _MARKUP.search(text):
        yield Wrong(field, f"{text!r} holds markup", remedy)
    elif any(combining and len(list(row)) > MAX_ACCENTS for combining, row in groupby(text, _combines)):
        yield Wrong(field, f"{text!r} holds more than {MAX_ACCENTS} combining characters in a row", remedy)


def _combines(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me")


def _below(field: str, key: str) -> str:
    return f"{field}.{key}" if field and key else field or key
