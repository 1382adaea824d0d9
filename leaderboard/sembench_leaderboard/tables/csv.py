"""Tables as CSV for other programs: one row per number, with digits that are the same on every processor."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sembench_leaderboard.statistics.digits import rounded


def text(fields: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV: numbers to 9 digits, what a row lacks or does not know (``None``) as an empty field."""
    written = io.StringIO()
    writer = csv.DictWriter(written, fields, lineterminator="\n", restval="", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: rounded(value) if isinstance(value, float) else value for name, value in row.items()})
    return written.getvalue()
