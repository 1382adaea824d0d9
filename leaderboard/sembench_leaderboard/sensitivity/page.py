"""How far do the numbers and the order of methods depend on definitions? A page and a CSV for each suite."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from statistics import fmean

from tabulate import tabulate

from sembench.results.result import Measure, Result
from sembench_leaderboard.sensitivity.shift import MIN_METHODS, Shift, entry_shifts, metric_shifts
from sembench_leaderboard.statistics.ranks import comparable, rounded
from sembench_leaderboard.tables import numbers
from sembench_leaderboard.tables.escape import markdown as escape
from sembench_leaderboard.tables.table import NOTHING

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
    """For each metric a table of the variants that change a number, the clear swaps, the variants without effect."""
    parts = []
    for _, group in groupby(shifts, key=lambda shift: shift.metric):
        own = sorted(group, key=lambda shift: (_natural(shift.variant), shift.dataset))
        effective = {shift.variant for shift in own if comparable(shift.primary) != comparable(shift.other)}
        measure, idle = own[0].measure, sorted({shift.variant for shift in own} - effective, key=_natural)
        unit = "points" if numbers.in_percent(measure) else measure.unit
        parts.append(f"### {escape(measure.title)}{f', {escape(unit)}' if unit else ''}")
        own = [shift for shift in own if shift.variant in effective]
        parts += [_table(own), *_clear_swaps(own)] if own else []
        parts += [f"Without any effect: {', '.join(map(escape, idle))}."] if idle else []
    return parts


def _natural(text: str) -> str:
    """A key that sorts numbers within a text by size."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(9), text)


def _table(shifts: Sequence[Shift]) -> str:
    rows = [row for _, own in groupby(shifts, key=lambda shift: shift.variant) for row in _rows(list(own))]
    alignment = ["left", "left", *["right"] * 6, "left"]
    return tabulate(rows, _HEADS, tablefmt="pipe", disable_numparse=True, colalign=alignment)


def _clear_swaps(shifts: Sequence[Shift]) -> list[str]:
    lines = [
        f"- {escape(shift.variant)}, {escape(shift.dataset)}: "
        + ", ".join(f"{escape(a)} and {escape(b)}" for a, b in shift.clear)
        for shift in shifts
        if shift.clear
    ]
    return ["Clear swaps:", "\n".join(lines)] if lines else []


def _rows(shifts: Sequence[Shift]) -> list[list[str]]:
    """One variant: a row per data set, and their mean if there are several."""
    rows = [_row(shift) for shift in shifts]
    if len(shifts) > 1:
        change = _change(fmean(shift.mean_change for shift in shifts), shifts[0].measure)
        rows.append([escape(shifts[0].variant), "*mean*", "", change, "", *_order(shifts), ""])
    return rows


def _row(shift: Shift) -> list[str]:
    changes = [_change(change, shift.measure) for change in (shift.mean_change, shift.largest_change)]
    methods = str(len(shift.methods))
    if len(shift.changed) < len(shift.methods):
        methods += f", {len(shift.changed)} changed"
    before, after = map(_places, shift.firsts)
    return [
        escape(shift.variant), escape(shift.dataset), methods, *changes, *_order([shift]),
        before if len(set(shift.firsts)) == 1 else f"{before} → {after}",
    ]  # fmt: skip


def _order(shifts: Sequence[Shift]) -> list[str]:
    """Mean correlations and swapped pairs in all; nothing where methods are too few for an order."""
    ordered = [shift for shift in shifts if shift.has_order]
    if not ordered:
        return [""] * 3
    means = [_correlation(_mean(own)) for own in ([s.tau for s in ordered], [s.rho for s in ordered])]
    return [*means, _swapped(*(sum(numbers) for numbers in zip(*map(_counts, ordered), strict=True)))]


def _counts(shift: Shift) -> tuple[int, int, int]:
    return len(shift.swaps), shift.pairs, len(shift.clear)


def _swapped(swaps: int, pairs: int, clear: int) -> str:
    return f"{swaps} of {pairs}" + (f", {clear} clear" if clear else "")


def _places(names: Sequence[str]) -> str:
    """The best method; how many, where more than three tie."""
    return ", ".join(map(escape, names)) if len(names) <= _FEW else f"{len(names)} tie"


def _change(change: float, measure: Measure) -> str:
    """A change in the measure's unit; it may be negative although the measure is not."""
    scale = 100.0 if numbers.in_percent(measure) else 1.0
    return numbers.alone(scale * change, measure.model_copy(update={"lower": None}))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _correlation(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"
