"""The statistics of one's own results as a page for each suite, with CSV and critical-difference diagrams beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sembench.results.result import Result
from sembench_leaderboard.comparison.critical_difference import diagram
from sembench_leaderboard.comparison.pareto import Pareto
from sembench_leaderboard.comparison.ranking import Ranking
from sembench_leaderboard.comparison.suite import (
    DRAWS,
    Difference,
    MetricComparison,
    SuiteComparison,
    suite_comparisons,
)
from sembench_leaderboard.entries.grouping import gathered
from sembench_leaderboard.entries.versions import beside, told
from sembench_leaderboard.statistics.ranks import ALPHA, Friedman, groups
from sembench_leaderboard.tables import csv
from sembench_leaderboard.tables.escape import markdown as escape
from sembench_leaderboard.tables.markdown import grid
from sembench_leaderboard.tables.numbers import p_said, p_text, with_unit
from sembench_leaderboard.tables.table import NOTHING

_ENOUGH = 10  # data sets, from which the chi-square distribution is close [Demsar, section 3.2.2]

HOW_TO_READ = f"""\
Profiles first, ranks last: what a method gains and costs stands in its profile (board and radar) and in the \
differences below, in the units of the measures; a rank hides by how much, and on what, one method is better.

- Controls and the black box have no rank, no probability of being best, and no place in the Pareto set. Conversions \
are methods like the others.
- **Differences** are an explainer minus the black box, or minus KMEx, with 95 % bootstrap intervals ({DRAWS:,} \
resamples) over seeds and images, paired within each seed and image by image, as in the report on claims. Prototypes \
of two methods do not correspond; there the seeds are paired and prototypes drawn independently.
- **p** is the smallest level at which such an interval excludes 0; the resamples bound it below by \
{2 / (DRAWS + 1):g}. It speaks of other trainings too, and is not given for one seed. A sign-flip test over the images \
of these models was not taken: it would call certain what the next training undoes.
- **Holm**: p corrected for all differences of one table (one data set and metric), bold below .05: the chance of any \
false alarm in a table is at most 5 %. Tables are not corrected for each other, nor is the choice of which to quote.
- **Few seeds**: intervals are widened (9.2 times with two seeds, 2.7 with three, 1.6 with five). In simulations they \
hold the truth in 93 to 96 % where seeds vary much, and in up to 100 % where they hardly vary: with two seeds they are \
too wide rather than too narrow, and p is rarely small. Without the widening it would be 55 to 61 % with two \
seeds that vary much. An interval without width says that nothing varied, not that nothing could: where \
one image in 500 differs, 360 images and two seeds show none so often that the interval holds the truth in 77 %.
- **Best** is the share of resamples in which a method is the best of its table; ties share. It is not the \
probability of being better than another method: of three that are alike, each has a third."""

PARETO = """\
The five measures of the radar: ghosting, accuracy gap, LRP-KL, RO-AUROC, diversity. A method *dominates* another one \
if it is at least as good on all five and better on one; the Pareto set are those that none dominates. It compares \
means as they are: small differences count like large ones, and chance is not taken into account."""

RANKS = """\
Each explainer that has a metric on all data sets is ranked on each of them by its mean over seeds, ties at their mean \
rank. Friedman's test asks whether the mean ranks differ at all; two methods differ significantly where their mean \
ranks differ by Nemenyi's critical difference or more (5 %, for all pairs of one metric together), to be read only \
where Friedman's p is below .05. Data sets are the \
sample here: the seeds' spread takes no part, and metrics are not corrected for each other."""


def power(test: Friedman) -> str:
    """What Friedman's test and the critical difference can say on this number of data sets."""
    methods, datasets = len(test.mean_ranks), test.datasets
    if test.lacks_power:
        return (
            f"**No power**: even if all {datasets} data sets agreed completely on the order of {methods} methods, p "
            f"would be {p_text(test.smallest_p)}. Nothing can be concluded from these ranks."
        )
    apart = f"{test.difference:.2f} ranks apart on average over {datasets} data sets; {methods - 1} are possible."
    pairs = (
        f"**No pair can be told apart**: two of {methods} methods would have to be {apart} The test can say that the "
        "methods differ, not which of them."
        if test.tells_no_pair_apart
        else f"Two of {methods} methods have to be {apart} Those that are closer may differ too; ranks of so few data "
        "sets cannot show it."
    )
    if datasets >= _ENOUGH:
        return pairs
    return (
        f"{pairs} The chi-square distribution is rough for fewer than {_ENOUGH} data sets: p is an order of magnitude."
    )


def statistics_files(results: Iterable[Result]) -> dict[str, bytes]:
    """``<suite>/statistics.md``, ``.csv``, and ``critical-difference-<metric>.png`` and ``.svg`` where there is a test.

    Returns:
        Content by path; the same results give the same bytes, the diagrams' also depend on the version of matplotlib.

    Raises:
        ResultsMixed: If results of one entry do not belong together, or entries differ in their images.
    """
    files: dict[str, bytes] = {}
    for suite in suite_comparisons(results):
        own = {"statistics.md": page(suite).encode(), "statistics.csv": to_csv(suite).encode()}
        for ranking in suite.rankings:
            if ranking.test is not None:
                own |= diagram(suite.suite, ranking, ranking.test)
        files |= {f"{suite.suite}/{name}": content for name, content in own.items()}
    return files


def page(suite: SuiteComparison) -> str:
    """The report of one suite as Markdown."""
    measures = {ranking.metric: ranking.measure for ranking in suite.rankings}
    parts = [f"# Statistics: suite {escape(suite.suite)}", HOW_TO_READ, *told(measures)]
    for dataset in suite.datasets:
        parts.append(f"## {escape(dataset)}")
        for compared in suite.compared:
            if compared.dataset == dataset:
                parts += _compared(compared)
    parts += ["## Pareto set", PARETO]
    for dataset in suite.datasets:
        parts += [f"### {escape(dataset)}", *_pareto(suite.pareto[dataset])]
    if len(suite.datasets) > 1:
        parts += ["### Means over data sets", *_pareto(suite.overall)]
    parts += ["## Ranks over data sets", *_rankings(suite.rankings)]
    return "\n\n".join(parts) + "\n"


def _compared(compared: MetricComparison) -> list[str]:
    """One metric on one data set: a row per explainer."""
    by_pair = {(d.explainer, d.against): d for d in compared.differences}
    heads, rows = ["Explainer"], []
    for label in compared.against.values():
        heads += [f"Minus {escape(label)}", "p", "Holm"]
    heads.append("Best")
    for name in compared.explainers:
        row = [escape(name)]
        for label in compared.against.values():
            row += _cells(by_pair.get((name, label)), compared)
        rows.append([*row, f"{compared.best[name]:.2f}" if name in compared.best else NOTHING])
    notes = [f"Not compared with {title}: {escape(reason)}." for title, reason in compared.missing.items()]
    seeds = sorted({d.seeds for d in compared.differences if d.seeds})
    over = " or ".join(" ".join(map(str, own)) for own in seeds)
    measure = compared.measure
    about = f"{measure.direction.capitalize()} is better; one score per {measure.per}" + (
        f"; seeds {over}." * bool(over) or "."
    )
    about = " ".join([about, *notes, *beside(compared.metric, measure)])
    return [f"### {escape(measure.title)}, {escape(compared.dataset)}", about, grid(rows, heads)]


def _cells(difference: Difference | None, compared: MetricComparison) -> list[str]:
    """Difference, p-value, corrected p-value."""
    if difference is None or difference.interval is None:
        return [NOTHING] * 3
    text = with_unit(difference.interval, compared.measure, difference=True)
    if difference.p is None or difference.corrected is None:
        return [text, NOTHING, NOTHING]
    corrected = p_text(difference.corrected)
    return [text, p_text(difference.p), f"**{corrected}**" if difference.corrected < ALPHA else corrected]


def _pareto(found: Pareto) -> list[str]:
    """Who is dominated by whom, and who cannot be compared."""
    rows = [
        [escape(name), "dominated" if above else "**in the set**", ", ".join(map(escape, above)) or NOTHING]
        for name, above in found.dominated_by.items()
    ]
    parts = [grid(rows, ["Explainer", "Pareto set", "Dominated by"])] if rows else ["No explainer has all five."]
    if found.lacking:
        lacking = [f"{escape(name)} ({', '.join(map(escape, lack))})" for name, lack in found.lacking.items()]
        parts.append(f"Not compared, since measures are missing: {'; '.join(lacking)}.")
    return parts


def _rankings(rankings: Sequence[Ranking]) -> list[str]:
    """Every metric: mean ranks, the test and its diagram, or why there is none; reasons are told together."""
    parts = [RANKS]
    for ranking in rankings:
        if ranking.test is not None:
            parts += _ranking(ranking, ranking.test)
    for reason, alike in gathered((own for own in rankings if own.reason), lambda own: own.reason).items():
        parts.append(f"**Not applicable** ({', '.join(escape(own.measure.title) for own in alike)}): {reason}.")
    return parts


def _ranking(ranking: Ranking, test: Friedman) -> list[str]:
    order = sorted(range(len(ranking.methods)), key=lambda method: (test.mean_ranks[method], method))
    rows = [[escape(ranking.methods[method]), f"{test.mean_ranks[method]:.2f}"] for method in order]
    alike = [
        ", ".join(escape(ranking.methods[method]) for method in bar) for bar in groups(test.mean_ranks, test.difference)
    ]
    facts = (
        f"Friedman's chi-square is {test.statistic:.2f} with {len(ranking.methods) - 1} degrees of freedom, "
        f"{p_said(test.p)}; critical difference {test.difference:.2f}, {test.datasets} data sets."
    )
    parts = [
        f"### {escape(ranking.measure.title)}, ranks",
        grid(rows, ["Explainer", "Mean rank"]),
        " ".join([facts, *beside(ranking.metric, ranking.measure)]),
        power(test),
    ]
    if alike:
        parts.append("\n".join(f"- Not told apart: {names}." for names in alike))
    if ranking.left_out:
        left_out = ", ".join(map(escape, ranking.left_out))
        parts.append(f"Without a rank, since not on all data sets: {left_out}.")
    alt = f"Critical-difference diagram of {escape(ranking.measure.title)}"
    return [*parts, f"![{alt}](critical-difference-{ranking.metric}.png)"]


FIELDS = (
    "suite", "part", "dataset", "metric", "explainer", "against", "value", "low", "high", "p", "p_holm", "seeds",
    "reason",
)  # fmt: skip


def to_csv(suite: SuiteComparison) -> str:
    """Every number with the columns ``FIELDS``, to 9 digits; what does not exist is an empty field.

    ==================== ======================================== ===========================================
    part                 value                                    against
    ==================== ======================================== ===========================================
    difference           explainer minus ``against``              the black box or KMEx
    best                 probability of being best
    dominated            1; one row for each method that does it  the method that dominates
    undominated          1: in the Pareto set
    rank                 mean rank over data sets
    friedman             chi-square, with its p-value
    critical difference  Nemenyi's, at 5 %
    ==================== ======================================== ===========================================

    What goes over all data sets has an empty data set.
    """
    return csv.text(FIELDS, ({"suite": suite.suite} | row for row in _rows(suite)))


def _rows(suite: SuiteComparison) -> Iterator[dict[str, Any]]:
    for compared in suite.compared:
        about = {"dataset": compared.dataset, "metric": compared.metric}
        for difference in compared.differences:
            yield about | _difference_fields(difference)
        for name, probability in compared.best.items():
            yield about | {"part": "best", "explainer": name, "value": probability}
    for dataset, found in suite.pareto.items():
        yield from _pareto_rows(dataset, found)
    if len(suite.datasets) > 1:
        yield from _pareto_rows("", suite.overall)
    for ranking in suite.rankings:
        about = {"metric": ranking.metric, "reason": ranking.reason}
        if ranking.test is None:
            yield about | {"part": "friedman"}
            continue
        for name, rank in zip(ranking.methods, ranking.test.mean_ranks, strict=True):
            yield about | {"part": "rank", "explainer": name, "value": rank}
        yield about | {"part": "friedman", "value": ranking.test.statistic, "p": ranking.test.p}
        yield about | {"part": "critical difference", "value": ranking.test.difference}


def _difference_fields(own: Difference) -> dict[str, Any]:
    common = {"part": "difference", "explainer": own.explainer, "against": own.against}
    if own.interval is None:
        return common | {"reason": "no seed in common"}
    reason = "one seed speaks of one trained model" if own.p is None else ""
    return common | vars(own.interval) | {
        "p": own.p, "p_holm": own.corrected, "seeds": " ".join(map(str, own.seeds)), "reason": reason,
    }  # fmt: skip


def _pareto_rows(dataset: str, found: Pareto) -> Iterator[dict[str, Any]]:
    for name, above in found.dominated_by.items():
        about = {"dataset": dataset, "explainer": name, "value": 1}
        if not above:
            yield about | {"part": "undominated"}
        for other in above:
            yield about | {"part": "dominated", "against": other}
