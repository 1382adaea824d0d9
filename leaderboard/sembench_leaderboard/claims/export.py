"""How do claims go into other programs? Every comparison as CSV, every verdict as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from sembench_leaderboard.claims.claim import in_words
from sembench_leaderboard.claims.verdict import Examined, Finding, Judged

FIELDS = (
    "suite", "claim", "dataset", "verdict", "metric", "first", "second", "part_verdict", "value", "low", "high",
    "seeds", "test", "margin", "why",
)  # fmt: skip
_DIGITS = 12  # beyond them, processors sum differently


def _listed(one: Examined) -> list[tuple[str, Finding]]:
    return [*one.findings.items(), (f"({one.claim.over})", one.overall)]


def to_csv(examined: Iterable[Examined]) -> str:
    """Every comparison with the columns ``FIELDS``; the verdict over data sets has its quantifier as data set."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n", restval="")
    writer.writeheader()
    for one in examined:
        for dataset, finding in _listed(one):
            common = {
                "suite": one.suite, "claim": one.claim.key, "dataset": dataset, "verdict": finding.verdict,
                "metric": one.claim.metric, "test": one.claim.test.kind, "margin": one.claim.test.margin,
            }  # fmt: skip
            if not finding.parts:
                writer.writerow(common | {"why": finding.why})
            for part in finding.parts:
                writer.writerow(common | _fields(part))
    return text.getvalue()


def _fields(part: Judged) -> dict[str, Any]:
    own = part.comparison
    fields = {
        "first": own.first, "second": own.second, "part_verdict": part.verdict,
        "seeds": " ".join(map(str, own.seeds)), "why": "; ".join(part.why),
    }  # fmt: skip
    if own.estimate is None:
        return fields
    interval = own.estimate.interval()
    return fields | {name: float(f"{getattr(interval, name):.{_DIGITS}g}") for name in ("value", "low", "high")}


def to_json(examined: Iterable[Examined]) -> str:
    """Every verdict: claims in order, each with its statement, its test, and its verdict on every data set."""
    listing = [
        {
            "suite": one.suite, "claim": one.claim.key, "statement": one.claim.statement, "source": one.claim.source,
            "test": in_words(one.claim), "verdict": one.overall.verdict, "why": one.overall.why,
            "datasets": {
                name: {"verdict": finding.verdict, "why": finding.why} for name, finding in one.findings.items()
            },
        }
        for one in examined
    ]  # fmt: skip
    return json.dumps(listing, indent=1, ensure_ascii=False) + "\n"
