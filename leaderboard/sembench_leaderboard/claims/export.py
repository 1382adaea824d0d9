"""Claims for other programs: every comparison as CSV, every verdict as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from sembench_leaderboard.claims.claim import in_words
from sembench_leaderboard.claims.verdict import ClaimVerdict, JudgedComparison, Verdict
from sembench_leaderboard.tables import csv

FIELDS = (
    "suite", "claim", "dataset", "verdict", "metric", "first", "second", "part_verdict", "value", "low", "high",
    "seeds", "test", "margin", "why",
)  # fmt: skip


def _listed(one: ClaimVerdict) -> list[tuple[str, Verdict]]:
    return [*one.by_dataset.items(), (f"({one.claim.over})", one.overall)]


def to_csv(examined: Iterable[ClaimVerdict]) -> str:
    """Every comparison with the columns ``FIELDS``; the verdict over data sets has its quantifier as data set."""
    return csv.text(FIELDS, _rows(examined))


def _rows(examined: Iterable[ClaimVerdict]) -> Iterator[dict[str, Any]]:
    for one in examined:
        for dataset, verdict in _listed(one):
            common = {
                "suite": one.suite, "claim": one.claim.key, "dataset": dataset, "verdict": verdict.outcome,
                "metric": one.claim.metric, "test": one.claim.test.kind, "margin": one.claim.test.margin,
            }  # fmt: skip
            if not verdict.parts:
                yield common | {"why": verdict.why}
            for part in verdict.parts:
                yield common | _fields(part)


def _fields(part: JudgedComparison) -> dict[str, Any]:
    own = part.comparison
    fields = {
        "first": own.first, "second": own.second, "part_verdict": part.outcome,
        "seeds": " ".join(map(str, own.seeds)), "why": "; ".join(part.why),
    }  # fmt: skip
    if own.estimate is None:
        return fields
    return fields | vars(own.estimate.interval())


def to_json(examined: Iterable[ClaimVerdict]) -> str:
    """Every verdict: claims in order, each with its statement, its test, and its verdict on every data set."""
    listing = [
        {
            "suite": one.suite, "claim": one.claim.key, "statement": one.claim.statement, "source": one.claim.source,
            "test": in_words(one.claim), "verdict": one.overall.outcome, "why": one.overall.why,
            "datasets": {
                name: {"verdict": verdict.outcome, "why": verdict.why} for name, verdict in one.by_dataset.items()
            },
        }
        for one in examined
    ]  # fmt: skip
    return json.dumps(listing, indent=1, ensure_ascii=False) + "\n"
