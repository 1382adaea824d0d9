"""The statistics of one's own results as a page for each suite, with CSV and critical-difference diagrams beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from benchmark.results import Result
from leaderboard.claims_words import with_unit
from leaderboard.escape import markdown as escape
from leaderboard.friedman import ALPHA, Friedman, groups
from leaderboard.pareto import Pareto
from leaderboard.rank_chart import diagram
from leaderboard.ranking import Ranking
from leaderboard.statistics_export import to_csv
from leaderboard.statistics_words import HOW_TO_READ, PARETO, RANKS, p_said, p_text, power
from leaderboard.tables import NOTHING
from leaderboard.tested import Compared, Difference, Tested, suites_tested


def statistics_files(results: Iterable[Result]) -> dict[str, bytes]:
    """``<suite>/statistics.md``, ``.csv``, and ``critical-difference-<metric>.png`` and ``.svg`` where there is a test.

    Returns:
        Content by path; the same results give the same bytes, the diagrams' also depend on the version of matplotlib.

    Raises:
        ResultsMixed: If results of one entry do not belong together, or entries differ in their images.
    """
    files: dict[str, bytes] = {}
    for tested in suites_tested(results):
        own = {"statistics.md": page(tested).encode(), "statistics.csv": to_csv(tested).encode()}
        for ranking in tested.rankings:
            if ranking.test is not None:
                own |= diagram(tested.suite, ranking, ranking.test)
        files |= {f"{tested.suite}/{name}": content for name, content in own.items()}
    return files


def page(tested: Tested) -> str:
    """The report of one suite as Markdown."""
    parts = [f"# Statistics: suite {escape(tested.suite)}", HOW_TO_READ]
    for dataset in tested.datasets:
        parts.append(f"## {escape(dataset)}")
        for compared in tested.compared:
            if compared.dataset == dataset:
                parts += _compared(compared)
    parts += ["## Pareto set", PARETO]
    for dataset in tested.datasets:
        parts += [f"### {escape(dataset)}", *_pareto(tested.pareto[dataset])]
    if len(tested.datasets) > 1:
        parts += ["### Means over data sets", *_pareto(tested.overall)]
    parts += ["## Ranks over data sets", *_rankings(tested.rankings)]
    return "\n\n".join(parts) + "\n"


def _compared(compared: Compared) -> list[str]:
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
    return [f"### {escape(measure.title)}, {escape(compared.dataset)}", " ".join([about, *notes]), _table(rows, heads)]


def _cells(difference: Difference | None, compared: Compared) -> list[str]:
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
    parts = [_table(rows, ["Explainer", "Pareto set", "Dominated by"])] if rows else ["No explainer has all five."]
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
    reasons: dict[str, list[str]] = {}
    for ranking in rankings:
        if ranking.reason:
            reasons.setdefault(ranking.reason, []).append(escape(ranking.measure.title))
    parts += [f"**Not applicable** ({', '.join(titles)}): {reason}." for reason, titles in reasons.items()]
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
        _table(rows, ["Explainer", "Mean rank"]),
        facts,
        power(test),
    ]
    if alike:
        parts.append("\n".join(f"- Not told apart: {names}." for names in alike))
    if ranking.left_out:
        left_out = ", ".join(map(escape, ranking.left_out))
        parts.append(f"Without a rank, since not on all data sets: {left_out}.")
    alt = f"Critical-difference diagram of {escape(ranking.measure.title)}"
    return [*parts, f"![{alt}](critical-difference-{ranking.metric}.png)"]


def _table(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> str:
    return tabulate(rows, heads, tablefmt="pipe", disable_numparse=True, colalign=["left"] * len(heads))
