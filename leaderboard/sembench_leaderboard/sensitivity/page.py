"""Sensitivity of numbers and of the order of methods to definitions: a page and a CSV for each suite."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from statistics import fmean

from sembench.results.result import Result
from sembench.results.score import Measure
from sembench_leaderboard.entries.grouping import by_suite
from sembench_leaderboard.entries.versions import beside, measures_of, told
from sembench_leaderboard.sensitivity.change import MIN_METHODS, DefinitionChange, entry_changes, metric_changes
from sembench_leaderboard.statistics.digits import comparable
from sembench_leaderboard.tables import csv, numbers
from sembench_leaderboard.tables.escape import markdown as escape
from sembench_leaderboard.tables.markdown import grid
from sembench_leaderboard.tables.table import NOTHING

FIELDS = (
    "suite", "varied", "metric", "variant", "dataset", "methods", "changed", "mean_change", "largest_change", "tau_b",
    "spearman", "pairs", "swapped", "clear", "first_before", "first_after",
)  # fmt: skip


def to_csv(suite: str, changes: dict[str, Sequence[DefinitionChange]]) -> str:
    """Every variant on every data set with the columns ``FIELDS``; what is not defined is an empty field."""
    rows = []
    for varied, own in changes.items():
        for change in own:
            swaps = (" ".join(f"{a}/{b}" for a, b in pairs) for pairs in (change.swaps, change.clear))
            rows.append([
                suite, varied, change.metric, change.variant, change.dataset,
                len(change.methods), " ".join(change.changed),
                change.mean_change, change.largest_change, change.tau, change.rho, change.pairs, *swaps,
                *map(" ".join, change.firsts),
            ])  # fmt: skip
    return csv.text(FIELDS, (dict(zip(FIELDS, row, strict=True)) for row in rows))


_HEADS = (
    "Variant", "Data set", "Methods", "Mean change", "Largest change", "Kendall's tau-b", "Spearman's rho",
    "Swapped pairs", "First place",
)  # fmt: skip

_HOW_TO_READ = f"""\
A measure stands for itself only as far as the order of methods survives another reasonable definition of it.

- Numbers are means over seeds; black box and controls take no part. *Change* is the variant minus the primary \
definition, *largest* the one of largest size.
- *tau-b* and *rho* compare the order of methods under the variant with the primary one: 1 the same, -1 reversed. Both \
allow for ties; `—` where a definition puts no two methods apart.
- *Swapped pairs* are in reversed order, out of those that the primary definition tells apart. Methods that are about \
equal swap easily; a swap is *clear*, and listed below its table, where the 95 % interval of the paired difference \
excludes 0 under both definitions (over images, prototypes and seeds, as in the report on claims).
- *First place*: the best method, and under the variant if it is another one; several names are ties.
- The rule by which a head shares out relevance decides LRP-KL wherever the last feature map has more than one cell; \
a map of one cell hides it. `rule=` variants exist for methods whose head has such rules; the others have one way only \
and keep their primary number.
- A variant has no chance level and no further level of its own: those on the board belong to the primary definition.
- What agrees to 7 decimals is a tie: networks compute in float32. Of fewer than {MIN_METHODS} methods no \
correlation and no swapped pairs are given: two agree or disagree, no more.
- Means over data sets weigh them equally; data sets where a correlation is not defined are left out of its mean."""

_FEW = 3  # methods that tie and are still named

_METRICS = """\
Other definitions of the same measure, on the same models. What they are stands in each metric's source file."""
_ENTRIES = """\
Entries that differ from the plain entry of their explainer in one hyper-parameter. Each replaces its plain entry; the \
other methods stay."""
_NO_METRICS = "None in these results: `sembench run --variants` computes them."
_NO_ENTRIES = "None in these results: no entry differs from the plain one of its explainer in one hyper-parameter."


def sensitivity_files(results: Iterable[Result]) -> dict[str, bytes]:
    """``<suite>/sensitivity.md`` and ``.csv``: content by path; the same results give the same bytes.

    Raises:
        ResultsMixed: If the seeds of an entry do not belong together.
    """
    files: dict[str, bytes] = {}
    for suite, own in by_suite(results).items():
        metrics, entries = metric_changes(own), entry_changes(own)
        texts = {
            "md": page(suite, metrics, entries, measures_of(own)),
            "csv": to_csv(suite, {"metric": metrics, "entry": entries}),
        }
        files |= {f"{suite}/sensitivity.{form}": text.encode() for form, text in texts.items()}
    return files


def page(
    suite: str,
    metrics: Sequence[DefinitionChange],
    entries: Sequence[DefinitionChange],
    measures: Mapping[str, Measure],
) -> str:
    """The report of one suite, whose metrics have these measures, as Markdown."""
    parts = [f"# Sensitivity to definitions: suite {escape(suite)}", _HOW_TO_READ, *told(measures)]
    parts += ["## Variants of the metrics", _METRICS if metrics else _NO_METRICS, *_sections(metrics)]
    parts += ["## Variants of the entries", _ENTRIES if entries else _NO_ENTRIES, *_sections(entries)]
    return "\n\n".join(parts) + "\n"


def _sections(changes: Sequence[DefinitionChange]) -> list[str]:
    """For each metric a table of the variants that change a number, the clear swaps, the variants without effect."""
    parts = []
    for _, group in groupby(changes, key=lambda change: change.metric):
        own = sorted(group, key=lambda change: (_natural(change.variant), change.dataset))
        effective = {change.variant for change in own if comparable(change.primary) != comparable(change.other)}
        measure, idle = own[0].measure, sorted({change.variant for change in own} - effective, key=_natural)
        unit = "points" if numbers.in_percent(measure) else measure.unit
        parts.append(f"### {escape(measure.title)}{f', {escape(unit)}' if unit else ''}")
        parts += beside(own[0].metric, measure)
        own = [change for change in own if change.variant in effective]
        parts += [_table(own), *_clear_swaps(own)] if own else []
        parts += [f"Without any effect: {', '.join(map(escape, idle))}."] if idle else []
    return parts


def _natural(text: str) -> str:
    """A key that sorts numbers within a text by size."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(9), text)


def _table(changes: Sequence[DefinitionChange]) -> str:
    rows = [row for _, own in groupby(changes, key=lambda change: change.variant) for row in _rows(list(own))]
    return grid(rows, _HEADS, ["left", "left", *["right"] * 6, "left"])


def _clear_swaps(changes: Sequence[DefinitionChange]) -> list[str]:
    lines = [
        f"- {escape(change.variant)}, {escape(change.dataset)}: "
        + ", ".join(f"{escape(a)} and {escape(b)}" for a, b in change.clear)
        for change in changes
        if change.clear
    ]
    return ["Clear swaps:", "\n".join(lines)] if lines else []


def _rows(changes: Sequence[DefinitionChange]) -> list[list[str]]:
    """One variant: a row per data set, and their mean if there are several."""
    rows = [_row(change) for change in changes]
    if len(changes) > 1:
        change = _shown(fmean(change.mean_change for change in changes), changes[0].measure)
        rows.append([escape(changes[0].variant), "*mean*", "", change, "", *_order(changes), ""])
    return rows


def _row(change: DefinitionChange) -> list[str]:
    changes = [_shown(size, change.measure) for size in (change.mean_change, change.largest_change)]
    methods = str(len(change.methods))
    if len(change.changed) < len(change.methods):
        methods += f", {len(change.changed)} changed"
    before, after = map(_places, change.firsts)
    return [
        escape(change.variant), escape(change.dataset), methods, *changes, *_order([change]),
        before if len(set(change.firsts)) == 1 else f"{before} → {after}",
    ]  # fmt: skip


def _order(changes: Sequence[DefinitionChange]) -> list[str]:
    """Mean correlations and swapped pairs in all; nothing where methods are too few for an order."""
    ordered = [change for change in changes if change.has_order]
    if not ordered:
        return [""] * 3
    swaps, pairs, clear = (
        sum(counts) for counts in zip(*((len(c.swaps), c.pairs, len(c.clear)) for c in ordered), strict=True)
    )
    swapped = f"{swaps} of {pairs}" + (f", {clear} clear" if clear else "")
    return [_mean(change.tau for change in ordered), _mean(change.rho for change in ordered), swapped]


def _places(names: Sequence[str]) -> str:
    """The best method; how many, where more than three tie."""
    return ", ".join(map(escape, names)) if len(names) <= _FEW else f"{len(names)} tie"


def _shown(change: float, measure: Measure) -> str:
    """A change in the measure's unit; it may be negative although the measure is not."""
    scale = 100.0 if numbers.in_percent(measure) else 1.0
    return numbers.alone(scale * change, measure.model_copy(update={"lower": None}))


def _mean(correlations: Iterable[float | None]) -> str:
    known = [value for value in correlations if value is not None]
    return f"{fmean(known):.2f}" if known else NOTHING
