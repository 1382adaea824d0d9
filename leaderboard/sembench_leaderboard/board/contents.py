"""The tables of a board: scores, costs, all data sets side by side, variants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean

from sembench.results.result import Kind, Result
from sembench.results.score import Measure
from sembench_leaderboard.entries.entry import KINDS, Entry, column
from sembench_leaderboard.entries.grouping import gathered
from sembench_leaderboard.entries.versions import other_versions
from sembench_leaderboard.tables import numbers
from sembench_leaderboard.tables.table import COMPARED, NOTHING, SECTIONS, Cell, Column, Kinds, Row, Table, noted


def score_tables(entries: Sequence[Entry], kinds: Kinds) -> list[Table]:
    """The scores of one data set: a table for predictions, for explanations and for prototypes.

    A chance level that is the same for all entries is a row; one that was measured for each entry is a column beside
    its score. Every further level has a column. Columns are the same whatever kinds of entries are shown.
    """
    measures = {e.metric: e.measure for e in sorted(entries, key=lambda e: column(e.metric))}
    tables = []
    for section in dict.fromkeys(SECTIONS.values()):
        metrics = [metric for metric, measure in measures.items() if SECTIONS[measure.per] == section]
        if metrics and any(entry.kind in kinds for entry in entries):
            tables.append(_score_table(section, metrics, entries, kinds))
    return tables


def _score_table(section: str, metrics: Sequence[str], entries: Sequence[Entry], kinds: Kinds) -> Table:
    chances = {m: {e.chance for e in entries if e.metric == m and e.value is not None} for m in metrics}
    measures = {e.metric: e.measure for e in entries}
    beside = {m: (("by chance",) if len(chances[m]) > 1 else ()) + levels(entries, m) for m in metrics}
    notes: list[str] = []
    columns: list[Column] = []
    for metric, own_head in zip(metrics, heads({m: measures[m] for m in metrics}, notes), strict=True):
        columns += [own_head, *map(Column, beside[metric])]
    rows = []
    for label, own in by_row(entries, kinds).items():
        cells = [cell for metric in metrics for cell in _cells(own.get(metric), beside[metric], notes)]
        rows.append(Row(label, tuple(cells)))
    same = {metric: next(iter(found)) for metric, found in chances.items() if len(found) == 1}
    if any(level is not None for level in same.values()):
        cells = []
        for metric in metrics:
            cells.append(Cell("") if len(chances[metric]) > 1 else _level(same.get(metric), measures[metric]))
            cells += [Cell("")] * len(beside[metric])
        rows.append(Row("by chance", tuple(cells), aside=True))
    return Table(section, tuple(columns), tuple(rows), tuple(notes))


LEVELS = {
    "headless": "the map without the head: relevance put on the embedding as it is, whatever the prototype; a small "
    "LRP-KL beside it says that the encoder is shared, not that the prototypes explain"
}
"""What levels beside chance are, by name; others stand in the definitions of their metrics."""


def levels(entries: Iterable[Entry], metric: str | None = None) -> tuple[str, ...]:
    """Names of the levels beside chance that entries have under a metric, or under any, sorted."""
    return tuple(sorted({name for entry in entries if metric in (None, entry.metric) for name in entry.levels}))


def legend(entries: Iterable[Entry]) -> dict[str, str]:
    """What each level that is shown beside chance stands for, in words, by name."""
    return {name: LEVELS.get(name, "see the definition of its metric") for name in levels(entries)}


def _cells(entry: Entry | None, beside: Sequence[str], notes: list[str]) -> list[Cell]:
    """The cell of a score, and of the levels that stand beside it: chance, or a further one by name."""
    cell = score_cell(entry, notes)
    if entry is None or entry.value is None:
        return [cell, *[Cell(NOTHING if entry is None else "")] * len(beside)]
    known = {"by chance": entry.chance, **entry.levels}
    return [cell, *(_level(known.get(name), entry.measure) for name in beside)]


def _level(level: float | None, measure: Measure) -> Cell:
    return Cell(NOTHING if level is None else numbers.alone(level, measure))


def score_cell(entry: Entry | None, notes: list[str]) -> Cell:
    """Mean and interval of a score; what is particular to it, or why there is none, goes to the notes, once."""
    if entry is None:
        return Cell(NOTHING)
    if entry.value is None or entry.low is None or entry.high is None:
        return Cell("n/a", noted(entry.reason or "", notes))
    text = numbers.with_interval(entry.value, entry.low, entry.high, entry.measure)
    return Cell(text, noted(entry.note, notes) if entry.note else None)


def heads(measures: Mapping[str, Measure], notes: list[str]) -> list[Column]:
    """Heads of the columns of metrics; that one is of another version than sembench has goes to the notes."""
    others = other_versions(measures)
    return [
        Column(
            measure.title,
            measure.direction,
            numbers.unit(measure),
            noted(others[metric].short, notes) if metric in others else None,
        )
        for metric, measure in measures.items()
    ]


def name(explainer: str, kind: Kind) -> str:
    """How an entry is called in tables."""
    return f"{explainer} (reference)" if kind == "reference" else explainer


def by_row(entries: Iterable[Entry], kinds: Kinds) -> dict[str, dict[str, Entry]]:
    """Entries of these kinds by row label, then metric. A label names the seeds only where entries differ in them."""
    entries = list(entries)
    differ = len({entry.seeds for entry in entries}) > 1
    rows: dict[str, dict[str, Entry]] = {}
    for entry in entries:
        if entry.kind in kinds:
            label = name(entry.explainer, entry.kind) + (f", seeds {' '.join(map(str, entry.seeds))}" if differ else "")
            rows.setdefault(label, {})[entry.metric] = entry
    return rows


# (title, unit, fields of `Cost`, factor from their unit): the second field stands in brackets
_COLUMNS = (
    ("Fit", "s", ("fit_seconds",), 1.0),
    ("Fit", "images", ("fit_images",), 1.0),
    ("Classify", "ms", ("predict_seconds_single", "predict_seconds_per_image"), 1e3),
    ("Explain", "ms", ("explain_seconds_single", "explain_seconds_per_image"), 1e3),
    ("Explain", "images", ("explain_images",), 1.0),
    ("Evaluation", "passes", ("evaluation_passes",), 1.0),
    ("Memory", "MiB", ("peak_memory_bytes",), 2.0**-20),
    ("Own parameters", "", ("own_parameters",), 1.0),
    ("Hyper-parameters", "", ("hyperparameters",), 1.0),
)

EXPLANATION = (
    "Means over seeds. *Fit* is what an entry costs beyond the training of its black box. *Classify* and *explain* are "
    "the times of a single image in a batch of one (the median of several, [K] Table 12); in brackets those per image "
    "in large batches. *Images* count how often an image goes through the network, *passes* how often the network is "
    "called. *Memory* is the peak of the process so far. Counts compare across machines; seconds only within one run "
    "on one machine. `—`: the entry does not explain images, or its result is older than the measurement."
)


def cost_table(results: Iterable[Result]) -> Table:
    """What the entries of one data set cost, in the order of the board."""
    ordered = sorted(results, key=lambda r: (KINDS.index(r.kind), r.explainer, r.seed))
    rows = [
        Row(label, tuple(_cell(own, fields, factor) for *_, fields, factor in _COLUMNS))
        for label, own in gathered(ordered, lambda r: name(r.explainer, r.kind)).items()
    ]
    return Table("Cost", tuple(Column(title, unit=unit) for title, unit, _, _ in _COLUMNS), tuple(rows))


def _cell(results: Sequence[Result], fields: Sequence[str], factor: float) -> Cell:
    """Mean of the first field, and of the second one in brackets; one dash where there is neither."""
    first, *second = (_mean(results, field, factor) for field in fields)
    if set(second) <= {NOTHING}:
        return Cell(first)
    return Cell(f"{first} ({second[0]})")


def _mean(results: Sequence[Result], field: str, factor: float) -> str:
    values = [getattr(result.cost, field) for result in results]
    if any(value is None for value in values):
        return NOTHING
    mean = factor * fmean(values)
    return f"{mean:,.0f}" if mean >= 100 or mean.is_integer() else f"{mean:.3g}"


MEASURES = ("accuracy", "accuracy_gap", "lrp_kl", "ro_auroc", "ro_auroc_gain", "ghosting", "diversity")
"""What the radar chart shows, and what it needs to be read: accuracy itself and the gain over random order."""


def overview_tables(entries: Sequence[Entry]) -> list[Table]:
    """A table per measure of a suite: a row per method, a column per data set, mean and interval; no controls.

    There is none for a suite of one data set: its own tables say the same.
    """
    datasets = sorted({entry.dataset for entry in entries})
    if len(datasets) < 2:
        return []
    shown = sorted({entry.metric for entry in entries if entry.metric in MEASURES}, key=column)
    return [_table([entry for entry in entries if entry.metric == metric], datasets) for metric in shown]


def _table(entries: Sequence[Entry], datasets: Sequence[str]) -> Table:
    """The table of one measure."""
    notes: list[str] = []
    (title,) = heads({entries[0].metric: entries[0].measure}, notes)
    rows = []
    for kind in COMPARED:
        for explainer in sorted({entry.explainer for entry in entries if entry.kind == kind}):
            own = {entry.dataset: entry for entry in entries if entry.explainer == explainer}
            cells = tuple(score_cell(own.get(dataset), notes) for dataset in datasets)
            rows.append(Row(name(explainer, kind), cells))
    columns = tuple(replace(title, title=dataset) for dataset in datasets)
    return Table(title.title, columns, tuple(rows), tuple(notes))


def variant_tables(entries: Sequence[Entry]) -> list[Table]:
    """One table per metric with variants: means under other definitions, and whether they keep the order of entries.

    The last row counts the pairs of explainers that a variant puts in the same order as the primary definition, out of
    the pairs that the primary tells apart.
    """
    tables = []
    for metric in sorted({entry.metric for entry in entries if entry.variants}, key=column):
        scored = [entry for entry in entries if entry.metric == metric and entry.value is not None]
        names = sorted({name for entry in scored for name in entry.variants})
        measure = scored[0].measure
        rows = []
        for label, own in by_row(scored, KINDS).items():
            values = [own[metric].value, *(own[metric].variants.get(name) for name in names)]
            cells = (Cell(NOTHING if value is None else numbers.alone(value, measure)) for value in values)
            rows.append(Row(label, tuple(cells)))
        kept = (Cell(_pairs_kept(scored, name)) for name in names)
        rows.append(Row("pairs in the same order", (Cell(""), *kept), aside=True))
        notes: list[str] = []
        columns = (*heads({metric: measure}, notes), *map(Column, names))
        tables.append(Table(measure.title, columns, tuple(rows), tuple(notes)))
    return tables


def _pairs_kept(entries: Iterable[Entry], variant: str) -> str:
    explainers = [e for e in entries if e.kind == "explainer" and variant in e.variants]
    products = [
        (a.value - b.value) * (a.variants[variant] - b.variants[variant])
        for a, b in combinations(explainers, 2)
        if a.value is not None and b.value is not None and a.value != b.value
    ]
    return f"{sum(product > 0 for product in products)} of {len(products)}" if products else NOTHING
