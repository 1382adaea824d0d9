"""Verdicts on claims, from comparisons: on one data set, and over all of them.

Note:
    Verdicts are not corrected for their number. A statement of several parts ("best of all", "on every data set")
    needs no correction: each part has to hold by itself, so that the whole is no easier to hold by chance. A statement
    of the form "on some data sets" is easier to hold the more data sets there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from threadpoolctl import threadpool_limits

from sembench.results.result import Result
from sembench_leaderboard.claims.claim import PAPERS_DATASETS, Claim, Outcome
from sembench_leaderboard.claims.declared import CLAIMS
from sembench_leaderboard.claims.quantity import Comparison, compare, mean_over_datasets
from sembench_leaderboard.claims.sides import sides
from sembench_leaderboard.entries.grouping import by_dataset, by_suite, gathered
from sembench_leaderboard.entries.profile import AXES
from sembench_leaderboard.entries.selection import NOT_RUN, Method, find, name_of
from sembench_leaderboard.entries.versions import measures_of, other_versions
from sembench_leaderboard.statistics.bootstrap import MIN_SEEDS
from sembench_leaderboard.tables.numbers import with_unit

_STRADDLES = "the interval contains the margin"
_NAMED = 3  # comparisons that are named with a reason; the CSV has all of them


@dataclass(frozen=True)
class JudgedComparison:
    """A comparison with its outcome, and why where that is not plain."""

    comparison: Comparison
    outcome: Outcome
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """A claim on one data set, or over all.

    Attributes:
        why: What decided, in words.
        datasets: The data sets that it speaks of.
        parts: The comparisons that it rests on, as the claim asks for them; none where it rests on the verdicts of
            data sets.
        closest: The comparison nearest to failing, or farthest beyond; ``None`` where nothing could be compared.
        beyond: Comparisons with further explainers that contradict the claim without being part of it.
        old: Which of its metrics the results have in another version than this sembench, in words.
    """

    outcome: Outcome
    why: str
    datasets: tuple[str, ...]
    parts: tuple[JudgedComparison, ...] = ()
    closest: JudgedComparison | None = None
    beyond: tuple[JudgedComparison, ...] = ()
    old: str = ""

    @property
    def explained(self) -> str:
        """What decided, and that it decided by another definition than this sembench's, where it did."""
        return "; ".join(filter(None, [self.why, self.old]))

    @property
    def quantity(self) -> str:
        """What the closest comparison compares, with its metric where the claim speaks of several."""
        if self.closest is None:
            return ""
        own, metrics = self.closest.comparison, {part.comparison.metric for part in self.parts}
        return f"{own.metric}: {own.label}" if len(metrics) > 1 else own.label

    @property
    def tested(self) -> bool:
        """Whether there are enough results for a verdict, be it that the interval contains the margin."""
        return any(len(part.comparison.seeds) >= MIN_SEEDS or part.outcome != "open" for part in self.parts)


def judge(claim: Claim, comparison: Comparison) -> JudgedComparison:
    """Whether a comparison agrees with the claim; open if results are missing, or there are too few seeds."""
    if comparison.estimate is None:
        return JudgedComparison(comparison, "open", comparison.missing)
    outcome = claim.test.outcome(comparison.estimate.interval())
    if len(comparison.seeds) < MIN_SEEDS and outcome != claim.test.decided_by_one:
        would = {"holds": "would hold", "fails": "would fail", "open": "would be open too"}[outcome]
        only = f"one seed ({comparison.seeds[0]}) speaks of one trained model, on which it {would}"
        return JudgedComparison(comparison, "open", (f"{only}: {MIN_SEEDS} are needed",))
    return JudgedComparison(comparison, outcome, (_STRADDLES,) if outcome == "open" else ())


def combined(
    claim: Claim,
    parts: Sequence[JudgedComparison],
    datasets: tuple[str, ...],
    beyond: tuple[JudgedComparison, ...] = (),
) -> Verdict:
    """Fails if a part fails, else open if a part is open; reasons begin with the part nearest to failing."""

    def slack(part: JudgedComparison) -> float:
        own = part.comparison.estimate
        return float("inf") if own is None else claim.test.slack(own.value)

    ordered = sorted(parts, key=slack)
    outcome = _all([part.outcome for part in parts])
    deciding = [part for part in ordered if part.outcome == outcome and part.why]
    sayings = gathered([(part, reason) for part in deciding for reason in part.why], lambda saying: saying[1])
    reasons = [_of(reason, [_against(part, parts) for part, _ in own]) for reason, own in sayings.items()]
    closest = ordered[0] if ordered[0].comparison.estimate is not None else None
    return Verdict(outcome, _joined(reasons), datasets, tuple(parts), closest, beyond)


def _of(reason: str, comparisons: Iterable[str]) -> str:
    """A reason, and the comparisons that it speaks of where there are others; of many, the first ones."""
    named = list(dict.fromkeys(filter(None, comparisons)))
    if len(named) > _NAMED:
        named = [*named[:_NAMED], f"{len(named) - _NAMED} more"]
    return f"{', '.join(named)}: {reason}" if named else reason


def _joined(reasons: Iterable[str]) -> str:
    """Reasons in one sentence; missing results are listed together."""
    reasons = list(reasons)
    absent = [reason.removeprefix(NOT_RUN) for reason in reasons if reason.startswith(NOT_RUN)]
    others = [reason for reason in reasons if not reason.startswith(NOT_RUN)]
    return "; ".join(([NOT_RUN + ", ".join(absent)] if absent else []) + others)


def _against(part: JudgedComparison, parts: Sequence[JudgedComparison]) -> str:
    """What a comparison compares, where it is one of several."""
    own = part.comparison
    if len(parts) == 1 or own.estimate is None:
        return ""
    metric = f"{own.metric} of " if len({other.comparison.metric for other in parts}) > 1 else ""
    return f"{metric}{own.first} against {own.second}" if own.second else f"{metric}{own.first}"


def _all(outcomes: Sequence[Outcome]) -> Outcome:
    return "fails" if "fails" in outcomes else "open" if "open" in outcomes else "holds"


def tested_on(verdicts: dict[str, Verdict]) -> tuple[str, ...]:
    """The data sets with enough results to test a claim on."""
    return tuple(name for name, verdict in verdicts.items() if verdict.tested)


def together(claim: Claim, verdicts: dict[str, Verdict]) -> Verdict:
    """Every data set has to agree, all but one, or a number of them: those on which there are results to test."""
    tested = tested_on(verdicts)
    if not tested:
        return Verdict("open", _joined(dict.fromkeys(verdict.why for verdict in verdicts.values())), ())
    outcome = _over(claim, [verdicts[name].outcome for name in tested], len(verdicts) - len(tested))
    named = {own: [name for name in tested if verdicts[name].outcome == own] for own in get_args(Outcome)}
    untested = [name for name in verdicts if name not in tested]
    parts = [f"{own} on {', '.join(names)}" for own, names in named.items() if names]
    parts += [f"too few results to test it on {', '.join(untested)}"] if untested else []
    if isinstance(claim.over, int) and len(verdicts) < PAPERS_DATASETS:
        parts.append(f"the paper has {PAPERS_DATASETS} data sets, this suite {len(verdicts)}")
    return Verdict(outcome, "; ".join(parts), tested)


def _over(claim: Claim, outcomes: Sequence[Outcome], untested: int) -> Outcome:
    """The outcome over data sets. Where some are enough, one that could not be tested yet may be among these."""
    number, unseen = len(outcomes), untested
    if isinstance(claim.over, int):
        needed, unseen = claim.over, max(untested, PAPERS_DATASETS - number)
    elif claim.over == "some":
        needed = 1
    else:
        needed, unseen = number - (claim.over == "all but one"), 0
    if outcomes.count("holds") >= max(needed, 1):
        return "holds"
    return "fails" if number - outcomes.count("fails") + unseen < needed else "open"


def mean(claim: Claim, parts: Sequence[JudgedComparison]) -> JudgedComparison:
    """The mean of one pair over the data sets on which it was run with enough seeds."""
    enough = [part.comparison for part in parts if len(part.comparison.seeds) >= MIN_SEEDS]
    if not enough:
        shown = next((part for part in parts if part.comparison.estimate is not None), parts[0])
        return replace(shown, outcome="open", why=tuple(dict.fromkeys(why for part in parts for why in part.why)))
    return judge(claim, mean_over_datasets(enough))


def shown(part: JudgedComparison) -> str:
    """The quantity with its interval, e.g. ``-1.1 [-3.1, +0.3] points``; empty where there is none."""
    own = part.comparison
    if own.estimate is None or own.measure is None:
        return ""
    return with_unit(own.estimate.interval(), own.measure, difference=bool(own.second))


@dataclass(frozen=True)
class ClaimVerdict:
    """The verdicts on a claim in one suite: over data sets, and on each data set by name."""

    claim: Claim
    suite: str
    overall: Verdict
    by_dataset: dict[str, Verdict]

    @property
    def compared(self) -> bool:
        """Whether there was anything to compare on any data set, be it in one seed only."""
        return any(part.comparison.estimate for verdict in self.by_dataset.values() for part in verdict.parts)


def examine(results: Iterable[Result], claims: Sequence[Claim] = CLAIMS) -> list[ClaimVerdict]:
    """Tests every claim on every suite among the results; verdicts are ordered by suite, then as the claims are.

    Raises:
        ResultsMixed: If results of one entry do not belong together.
    """
    found = []
    with threadpool_limits(1, user_api="blas"):
        for suite, own in by_suite(results).items():
            datasets = by_dataset(own)
            # One data set after the other: its entries share resamples, of which few are kept.
            on_each = {
                name: _on(runs, [one for one in claims if one.concerns(name)]) for name, runs in datasets.items()
            }
            for claim in claims:
                tested = {name: known[claim.key] for name, known in on_each.items() if claim.key in known}
                found.append(ClaimVerdict(claim, suite, _over_datasets(claim, tested), dict(tested)))
    return found


def _on(runs: Sequence[Result], claims: Iterable[Claim]) -> dict[str, Verdict]:
    """The verdicts on one data set, by the claims' keys."""
    other, found = other_versions(measures_of(runs)), {}
    for claim in claims:
        verdict = combined(claim, _compared(claim, runs), (runs[0].dataset,), _contradicting(claim, runs))
        asked = [axis.metric for axis in AXES] if claim.reads == "area" else claim.metrics
        versions = [other[name] for name in asked if name in other]
        said = ", ".join(f"version {one.version} of {one.title} (now {one.current})" for one in versions)
        found[claim.key] = replace(verdict, old=f"by another definition: {said}" if said else "")
    return found


def _over_datasets(claim: Claim, verdicts: dict[str, Verdict]) -> Verdict:
    if not verdicts:
        return Verdict("open", NOT_RUN + (" or ".join(claim.datasets) or f"data sets other than {claim.without}"), ())
    overall = _mean_over(claim, verdicts) if claim.over == "mean" else together(claim, verdicts)
    return replace(overall, old=next((verdict.old for verdict in verdicts.values() if verdict.old), ""))


def _compared(claim: Claim, runs: Sequence[Result]) -> list[JudgedComparison]:
    """Every comparison that the claim asks for on one data set."""
    pairs = sides(claim, runs)
    return [
        judge(claim, compare(metric, first, second, runs, reads=claim.reads))
        for metric in claim.metrics
        for first, second in pairs
    ]


def _mean_over(claim: Claim, verdicts: dict[str, Verdict]) -> Verdict:
    pairs = zip(*(verdict.parts for verdict in verdicts.values()), strict=True)
    overall = combined(claim, [mean(claim, pair) for pair in pairs], tested_on(verdicts))
    if overall.closest is None:
        return overall
    over = f"mean over {', '.join(overall.closest.comparison.datasets)}"
    return replace(overall, why="; ".join(filter(None, [over, overall.why])))


def _contradicting(claim: Claim, runs: Sequence[Result]) -> tuple[JudgedComparison, ...]:
    """Explainers that the paper did not compare with, and that are as good as the best or better."""
    if not claim.beyond:
        return ()
    named = {name for wanted in claim.first + claim.second for name in wanted.names}
    others = sorted({name_of(run) for run in runs if run.kind == "explainer"} - named)
    best = find(claim.first[0], runs)
    rivals = [find(Method((name,)), runs) for name in others]
    judged = [judge(claim, compare(claim.metrics[0], best, rival, runs, reads=claim.reads)) for rival in rivals]
    return tuple(part for part in judged if part.outcome == "fails")
