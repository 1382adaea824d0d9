"""How far do the numbers and the order of methods depend on definitions? A page and a CSV for each suite."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import groupby
from statistics import fmean

from tabulate import tabulate

from benchmark.results import Measure, Result
from leaderboard import numbers
from leaderboard.escape import markdown as escape
from leaderboard.rank_correlation import rounded
from leaderboard.sensitivity import Shift, entry_shifts, metric_shifts
from leaderboard.tables import NOTHING

FIELDS = (
    "suite", "varied", "metric", "variant", "dataset", "methods", "changed", "mean_change", "largest_change", "tau_b",
    "spearman", "pairs", "swapped", "first_before", "first_after",
)  # fmt: skip

_HEADS = (
    "Variant", "Data set", "Methods", "Mean change", "Largest change", "Kendall's tau-b", "Spearman's rho",
    "Swapped pairs", "First place",
)  # fmt: skip

_HOW_TO_READ = """\
A measure stands for itself only as far as the order of methods survives another reasonable definition of it.

- Numbers are means over seeds; black box and controls take no part. *Change* is the variant minus the primary \
definition, *largest* the one of largest size.
- *tau-b* and *rho* compare the order of methods under the variant with the primary one: 1 the same, -1 reversed. Both \
allow for ties; `—` where a definition puts no two methods apart.
- *Swapped pairs* are in reversed order, out of those that the primary definition tells apart; they are listed below \
each table. No interval stands behind a swap: two methods that are as good as equal swap easily.
- *First place*: the best method, and under the variant if it is another one; several names are ties.
- Means over data sets weigh them equally; data sets where a correlation is not defined are left out of its mean."""

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
    ordered = sorted(results, key=lambda r: (r.suite, r.dataset, r.explainer, r.seed))
    files: dict[str, bytes] = {}
    for suite, group in groupby(ordered, key=lambda result: result.suite):
        own = list(group)
        metrics, entries = metric_shifts(own), entry_shifts(own)
        texts = {"md": page(suite, metrics, entries), "csv": to_csv(suite, {"metric": metrics, "entry": entries})}
        files |= {f"{suite}/sensitivity.{form}": text.encode() for form, text in texts.items()}
    return files


def page(suite: str, metrics: Sequence[Shift], entries: Sequence[Shift]) -> str:
    """The report of one suite as Markdown."""
    parts = [f"# Sensitivity to definitions: suite {escape(suite)}", _HOW_TO_READ]
    parts += ["## Variants of the metrics", _METRICS if metrics else _NO_METRICS, *_sections(metrics)]
    parts += ["## Variants of the entries", _ENTRIES if entries else _NO_ENTRIES, *_sections(entries)]
    return "\n\n".join(parts) + "\n"


def _sections(shifts: Sequence[Shift]) -> list[str]:
    """A table for each metric, and the pairs that swap."""
    parts = []
    for _, group in groupby(shifts, key=lambda shift: shift.metric):
        own = sorted(group, key=lambda shift: (shift.variant, shift.dataset))
        rows = []
        for _, of_variant in groupby(own, key=lambda shift: shift.variant):
            rows += _rows(list(of_variant))
        alignment = ["left", "left", *["right"] * 6, "left"]
        table = tabulate(rows, _HEADS, tablefmt="pipe", disable_numparse=True, colalign=alignment)
        unit = "points" if numbers.in_percent(own[0].measure) else own[0].measure.unit
        parts += [f"### {escape(own[0].measure.title)}{f', {escape(unit)}' if unit else ''}", table]
        swaps = [
            f"- {escape(shift.variant)}, {escape(shift.dataset)}: "
            + ", ".join(f"{escape(a)} and {escape(b)}" for a, b in shift.swaps)
            for shift in own
            if shift.swaps
        ]
        parts += ["\n".join(["Swapped pairs:", "", *swaps])] if swaps else []
    return parts


def _rows(shifts: Sequence[Shift]) -> list[list[str]]:
    """One variant: a row per data set, and their mean if there are several."""
    rows = [_row(shift) for shift in shifts]
    if len(shifts) > 1:
        change = _change(fmean(shift.mean_change for shift in shifts), shifts[0].measure)
        swapped = f"{sum(len(s.swaps) for s in shifts)} of {sum(s.pairs for s in shifts)}"
        means = [_correlation(_mean(own)) for own in ([s.tau for s in shifts], [s.rho for s in shifts])]
        rows.append([escape(shifts[0].variant), "*mean*", "", change, "", *means, swapped, ""])
    return rows


def _row(shift: Shift) -> list[str]:
    changes = [_change(change, shift.measure) for change in (shift.mean_change, shift.largest_change)]
    methods = str(len(shift.methods))
    if len(shift.changed) < len(shift.methods):
        methods += f", {len(shift.changed)} changed"
    before, after = (", ".join(map(escape, own)) for own in shift.firsts)
    return [
        escape(shift.variant), escape(shift.dataset), methods, *changes, _correlation(shift.tau),
        _correlation(shift.rho), f"{len(shift.swaps)} of {shift.pairs}",
        before if before == after else f"{before} → {after}",
    ]  # fmt: skip


def _change(change: float, measure: Measure) -> str:
    """A change in the measure's unit; it may be negative although the measure is not."""
    scale = 100.0 if numbers.in_percent(measure) else 1.0
    return numbers.alone(scale * change, measure.model_copy(update={"lower": None}))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _correlation(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def to_csv(suite: str, shifts: dict[str, Sequence[Shift]]) -> str:
    """Every variant on every data set with the columns ``FIELDS``; what is not defined is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for varied, own in shifts.items():
        for shift in own:
            values = [shift.mean_change, shift.largest_change, shift.tau, shift.rho]
            known = ["" if value is None else rounded([value])[0] for value in values]
            writer.writerow([
                suite, varied, shift.metric, shift.variant, shift.dataset, len(shift.methods), " ".join(shift.changed),
                *known, shift.pairs, " ".join(f"{a}/{b}" for a, b in shift.swaps), *map(" ".join, shift.firsts),
            ])  # fmt: skip
    return text.getvalue()
