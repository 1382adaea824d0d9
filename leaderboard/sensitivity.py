"""How much do a measure, and the order of methods under it, depend on how it is defined?

Two things are varied: the definition of a metric (its variants in the results), and one hyper-parameter of a method
(entries that differ from the plain entry of their explainer in that hyper-parameter alone).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from benchmark.results import Result
from leaderboard.aggregate import aggregate
from leaderboard.comparison import difference
from leaderboard.entry import Entry, column
from leaderboard.method import Method, differing, find, in_words, name_of
from leaderboard.shift import Shift
from leaderboard.statistics import Estimate

Cells = dict[str, list[Result]]


def metric_shifts(results: Sequence[Result]) -> list[Shift]:
    """Every variant of every metric on every data set of one suite; explainers only, no controls and no black box.

    Raises:
        ResultsMixed: If the seeds of an entry do not belong together, see `leaderboard.aggregate.aggregate`.
    """
    shifts, cells = [], _cells(results)
    for metric, dataset, entries in _groups(aggregate(results)):
        for variant in sorted({name for entry in entries for name in entry.variants}):
            have = [(e.explainer, e.value, e.variants[variant]) for e in entries if variant in e.variants]
            known = [(name, value, other) for name, value, other in have if value is not None]
            names, primary, other = (tuple(column) for column in zip(*known, strict=True))
            shift = Shift(variant, dataset, metric, entries[0].measure, names, primary, other, names)
            shifts.append(_with_clear(shift, cells[dataset], {}, variant))
    return shifts


def entry_shifts(results: Sequence[Result]) -> list[Shift]:
    """Every value of a hyper-parameter in which entries differ from the plain ones, under every metric.

    Methods are the plain entries. Those that have an entry with the other value are replaced by it, the others stay.

    Raises:
        ResultsMixed: If the seeds of an entry do not belong together, see `leaderboard.aggregate.aggregate`.
    """
    shifts, cells = [], _cells(results)
    replaced = {dataset: _replacements(own) for dataset, own in cells.items()}
    for metric, dataset, entries in _groups(aggregate(results)):
        values = {entry.explainer: entry.value for entry in entries if entry.value is not None}
        plain, variants = replaced[dataset]
        methods = tuple(label for label in values if label in plain)
        for variant, instead in sorted(variants.items()):
            changed = tuple(label for label in methods if instead.get(label) in values)
            if changed:
                stand_in = {label: instead[label] for label in changed}
                primary = tuple(values[label] for label in methods)
                other = tuple(values[stand_in.get(label, label)] for label in methods)
                shift = Shift(variant, dataset, metric, entries[0].measure, methods, primary, other, changed)
                shifts.append(_with_clear(shift, cells[dataset], stand_in, ""))
    return shifts


def _groups(entries: Iterable[Entry]) -> list[tuple[str, str, list[Entry]]]:
    """Scored explainers by metric and data set, in the order of the board's columns."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if entry.kind == "explainer" and entry.value is not None:
            groups.setdefault((entry.metric, entry.dataset), []).append(entry)
    ordered = sorted(groups.items(), key=lambda item: (column(item[0][0]), item[0][1]))
    return [(metric, dataset, own) for (metric, dataset), own in ordered]


def _cells(results: Iterable[Result]) -> dict[str, Cells]:
    """The cells of all explainers, by data set, then label."""
    cells: dict[str, Cells] = {}
    for result in results:
        if result.kind == "explainer":
            cells.setdefault(result.dataset, {}).setdefault(result.explainer, []).append(result)
    return cells


def _with_clear(shift: Shift, cells: Cells, instead: Mapping[str, str], variant: str) -> Shift:
    """The shift with those of its swaps that the intervals of the paired differences leave no doubt about."""

    def clear(pair: tuple[str, str]) -> bool:
        first, second = (instead.get(label, label) for label in pair)
        before = difference(shift.metric, cells[pair[0]], cells[pair[1]])
        after = difference(shift.metric, cells[first], cells[second], variant)
        return _excludes_zero(before) and _excludes_zero(after)

    return replace(shift, clear=tuple(pair for pair in shift.swaps if clear(pair)))


def _excludes_zero(estimate: Estimate | None) -> bool:
    if estimate is None:
        return False
    interval = estimate.interval()
    return interval.low > 0 or interval.high < 0


def _replacements(cells: Cells) -> tuple[set[str], dict[str, dict[str, str]]]:
    """Labels of plain entries; and by ``hyper-parameter = value``, which label stands instead of which plain one."""
    plain_labels: set[str] = set()
    instead: dict[str, dict[str, str]] = {}
    every = [cell for own in cells.values() for cell in own]
    for name in sorted({name_of(cell) for cell in every}):
        plain = find(Method((name,)), every)
        if isinstance(plain, str):
            continue  # several entries and none of them plain: nothing to compare with
        plain_labels.add(plain[0].explainer)
        for label, (other, *_) in cells.items():
            keys = differing(plain[0], other) if name_of(other) == name else []
            if len(keys) == 1:
                changed = f"{keys[0]} = {in_words(other.hyperparameters.get(keys[0]))}"
                instead.setdefault(changed, {})[plain[0].explainer] = label
    return plain_labels, instead
