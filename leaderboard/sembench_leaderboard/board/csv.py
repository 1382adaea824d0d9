"""The board in long form for other programs: one row per number, with every field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sembench_leaderboard.board.contents import levels
from sembench_leaderboard.entries.entry import Entry
from sembench_leaderboard.tables import csv

_MEASURE = ("title", "direction", "lower", "upper", "unit", "per", "version", "reference", "chance_is", "note")

FIELDS = (
    "suite", "dataset", "explainer", "kind", "metric", "variant", "status", "reason", "value", "low", "high", "chance",
    "seeds", "units", "crossed", *_MEASURE,
)  # fmt: skip


def rows(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """The board in long form: a row per entry with ``variant`` empty, then one for each of its variants.

    A variant has a value only: its interval and its levels are not computed. What is not known is ``None``.
    """
    listing = []
    for entry in entries:
        listing.append(_row(entry, ""))
        for name, value in entry.variants.items():
            listing.append(_row(replace(entry, value=value, low=None, high=None, chance=None, levels={}), name))
    return listing


def _row(entry: Entry, variant: str) -> dict[str, Any]:
    values = vars(entry) | {name: getattr(entry.measure, name) for name in _MEASURE}
    values |= {"variant": variant, "status": entry.status, "seeds": " ".join(map(str, entry.seeds))}
    beside = {f"level_{name}": level for name, level in entry.levels.items()}
    return {field: values[field] for field in FIELDS} | {"entry_note": entry.note} | beside


def to_csv(entries: Iterable[Entry], fields: Sequence[str] = FIELDS) -> str:
    """The board in long form as CSV, numbers to 9 digits; what is not known is an empty field.

    Behind ``chance`` stands a column ``level_<name>`` for each level that an entry has, and at the end ``entry_note``
    where an entry has one.
    """
    entries = list(entries)
    place = fields.index("chance") + 1
    noted = ("entry_note",) if any(entry.note for entry in entries) else ()
    return csv.text(
        (*fields[:place], *(f"level_{name}" for name in levels(entries)), *fields[place:], *noted), rows(entries)
    )
