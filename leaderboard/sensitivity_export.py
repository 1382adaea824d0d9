"""How does a report on sensitivity go into other programs? Every variant on every data set as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from leaderboard.rank_correlation import rounded
from leaderboard.shift import Shift

FIELDS = (
    "suite", "varied", "metric", "variant", "dataset", "methods", "changed", "mean_change", "largest_change", "tau_b",
    "spearman", "pairs", "swapped", "clear", "first_before", "first_after",
)  # fmt: skip


def to_csv(suite: str, shifts: dict[str, Sequence[Shift]]) -> str:
    """Every variant on every data set with the columns ``FIELDS``; what is not defined is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for varied, own in shifts.items():
        for shift in own:
            values = [shift.mean_change, shift.largest_change, shift.tau, shift.rho]
            known = ["" if value is None else rounded([value])[0] for value in values]
            swaps = (" ".join(f"{a}/{b}" for a, b in pairs) for pairs in (shift.swaps, shift.clear))
            writer.writerow([
                suite, varied, shift.metric, shift.variant, shift.dataset, len(shift.methods), " ".join(shift.changed),
                *known, shift.pairs, *swaps, *map(" ".join, shift.firsts),
            ])  # fmt: skip
    return text.getvalue()
