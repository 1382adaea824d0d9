"""The claims of the papers on one's own results: a page, every comparison as CSV, every verdict as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sembench.results.result import Result
from sembench_leaderboard.claims.claim import in_words
from sembench_leaderboard.claims.declared import SECTIONS
from sembench_leaderboard.claims.verdict import ClaimVerdict, JudgedComparison, Verdict, examine, shown
from sembench_leaderboard.entries.grouping import gathered
from sembench_leaderboard.statistics.bootstrap import DRAWS, MIN_SEEDS
from sembench_leaderboard.tables import csv
from sembench_leaderboard.tables.escape import markdown as escape
from sembench_leaderboard.tables.markdown import grid
from sembench_leaderboard.tables.table import NOTHING

_HOW_TO_READ = f"""\
Statements of [K] (Gautam et al., TMLR 2024) and [C] (Boubekki and Clemmensen, 2026), tested on the results of this \
suite; other data sets, black boxes and trainings than the papers'.

- A verdict comes from the 95 % bootstrap interval ({DRAWS:,} resamples) of a quantity, a score or the difference of \
two entries. **holds**: the whole interval agrees with the claim. **fails**: none of it does. **open**: the interval \
contains the margin, or results are missing; the last column says which.
- Differences are paired: within each seed, and image by image, since all entries explain the same black box on the \
same images. Prototypes of two entries do not correspond; there the seeds are paired and prototypes drawn independently.
- Seeds are resampled too, and their part of the interval is widened for their small number (Student's t and the \
variance that a bootstrap of few misses: 9.2 times with two seeds, 2.7 with three, 1.6 with five), as on the board. \
Fewer than {MIN_SEEDS} leave a claim open.
- A claim about the best or the worst is compared with every other method in turn and holds only against all; the \
closest competitor is shown. A tie within the interval leaves it open. Explainers outside the paper's comparison do \
not decide; those that contradict are named.
- Over data sets: *every* one with enough results has to agree, *all but one*, *some* (one is enough), *2 of 7* (at \
least two of the paper's seven, of which a suite may lack some), or the *mean* of the quantity, data sets being as \
they are. One data set that speaks against a statement about every one is enough to make it fail.
- † marks verdicts on results of another version of a metric than this sembench has: they speak of that definition.
- Verdicts are **not corrected** for their number: each is taken at the 5 % level by itself. Statements of several \
parts need no correction, since each part has to hold; "on some data sets" becomes easier with every data set.
- Margins are stated with each claim; [ours] marks those that the papers do not give."""


def claim_files(results: Iterable[Result]) -> dict[str, bytes]:
    """``<suite>/claims.md``, ``.csv`` and ``.json``: content by path; the same results give the same bytes.

    Raises:
        ResultsMixed: If results of one entry do not belong together.
    """
    files: dict[str, bytes] = {}
    for suite, own in gathered(examine(results), lambda one: one.suite).items():
        texts = {"md": page(suite, own), "csv": to_csv(own), "json": to_json(own)}
        files |= {f"{suite}/claims.{form}": text.encode() for form, text in texts.items()}
    return files


def page(suite: str, examined: Sequence[ClaimVerdict]) -> str:
    """The report of one suite as Markdown: verdicts by section, then each claim; last the claims without results."""
    absent = [one for one in examined if not one.compared]
    examined = [one for one in examined if one.compared]
    datasets = sorted({name for one in examined for name in one.by_dataset})
    outcomes = [one.overall.outcome for one in examined]
    total = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in ("holds", "fails", "open"))
    total += f"; no results for {len(absent)} further claims" if absent else ""
    parts = [f"# Claims of the papers: suite {escape(suite)}", _HOW_TO_READ, f"## Verdicts: {total}"]
    sections = gathered(examined, lambda one: one.claim.section)
    for section, own in sections.items():
        rows = [_summary(one, datasets) for one in own]
        heads = ["Claim", "Table or figure", "Over data sets", *map(escape, datasets)]
        parts += [f"### {_heading(section)}", grid(rows, heads)]
    for section, own in sections.items():
        parts += [f"## {_heading(section)}", *(part for one in own for part in _section(one))]
    if absent:
        rows = [[escape(one.claim.statement), escape(one.claim.source), escape(one.overall.why)] for one in absent]
        parts += ["## No results in this suite", grid(rows, ["Claim", "Source", "What is missing"])]
    return "\n\n".join(parts) + "\n"


def _heading(section: str) -> str:
    return escape(f"{section} {SECTIONS.get(section, '')}".rstrip())


def _summary(one: ClaimVerdict, datasets: Sequence[str]) -> list[str]:
    """A claim's verdicts in one row: over data sets, then on each."""
    claim, own = one.claim, one.by_dataset
    where = claim.source.removeprefix(claim.section).removeprefix(", ") or NOTHING
    each = [_marked(own[name].outcome, own[name]) if name in own else NOTHING for name in datasets]
    return [escape(claim.statement), escape(where), _marked(f"**{one.overall.outcome}**", one.overall), *each]


def _marked(text: str, verdict: Verdict) -> str:
    """A verdict on results of another definition is marked, where it says anything of them."""
    return f"{text} †" if verdict.old and verdict.outcome != "open" else text


def _section(one: ClaimVerdict) -> list[str]:
    """One claim: statement, test, and a row per data set."""
    claim = one.claim
    rows = [_row(escape(name), verdict) for name, verdict in one.by_dataset.items()]
    rows.append(_row(f"*{claim.scope}*", one.overall))
    return [
        f"### {escape(claim.statement)}",
        f"{escape(claim.source)}. Test `{claim.key}`: {escape(in_words(claim))}.",
        grid(rows, ["Data set", "Verdict", "Quantity", "Value", "Seeds", "Why, and beyond the paper"]),
    ]


def _row(name: str, verdict: Verdict) -> list[str]:
    part = verdict.closest
    quantity, value, seeds = NOTHING, NOTHING, NOTHING
    if part:
        quantity, value = escape(verdict.quantity), shown(part)
        seeds = " ".join(map(str, part.comparison.seeds))
    why = [escape(verdict.explained)] if verdict.explained else []
    if verdict.beyond:
        others = ", ".join(f"{escape(other.comparison.second)} ({shown(other)})" for other in verdict.beyond)
        why.append(f"beyond the paper, contradicted by {others}")
    return [name, verdict.outcome, quantity, value, seeds, "; ".join(why)]


FIELDS = (
    "suite", "claim", "dataset", "verdict", "metric", "first", "second", "part_verdict", "value", "low", "high",
    "seeds", "test", "margin", "why",
)  # fmt: skip


def to_csv(examined: Iterable[ClaimVerdict]) -> str:
    """Every comparison with the columns ``FIELDS``; the verdict over data sets has its quantifier as data set."""
    return csv.text(FIELDS, _rows(examined))


def _rows(examined: Iterable[ClaimVerdict]) -> Iterator[dict[str, Any]]:
    for one in examined:
        for dataset, verdict in [*one.by_dataset.items(), (f"({one.claim.scope})", one.overall)]:
            common = {
                "suite": one.suite, "claim": one.claim.key, "dataset": dataset, "verdict": verdict.outcome,
                "metric": " ".join(one.claim.metrics), "test": one.claim.test.kind, "margin": one.claim.test.margin,
            }  # fmt: skip
            if not verdict.parts:
                yield common | {"why": verdict.explained}
            for part in verdict.parts:
                yield common | _fields(part, verdict.old)


def _fields(part: JudgedComparison, old: str) -> dict[str, Any]:
    own = part.comparison
    return {
        "metric": own.metric, "first": own.first, "second": own.second, "part_verdict": part.outcome,
        "seeds": " ".join(map(str, own.seeds)), "why": "; ".join(filter(None, [*part.why, old])),
    } | (vars(own.estimate.interval()) if own.estimate else {})  # fmt: skip


def to_json(examined: Iterable[ClaimVerdict]) -> str:
    """Every verdict: claims in order, each with its statement, its test, and its verdict on every data set."""
    listing = [
        {
            "suite": one.suite, "claim": one.claim.key, "statement": one.claim.statement, "source": one.claim.source,
            "test": in_words(one.claim), "verdict": one.overall.outcome, "why": one.overall.explained,
            "datasets": {
                name: {"verdict": verdict.outcome, "why": verdict.explained} for name, verdict in one.by_dataset.items()
            },
        }
        for one in examined
    ]  # fmt: skip
    return json.dumps(listing, indent=1, ensure_ascii=False) + "\n"
