"""Verdicts on claims, from comparisons: on one data set, and over all of them.

Note:
    Verdicts are not corrected for their number. A statement of several parts ("best of all", "on every data set")
    needs no correction: each part has to hold by itself, so that the whole is no easier to hold by chance. A statement
    of the form "on some data sets" is easier to hold the more data sets there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import get_args

from threadpoolctl import threadpool_limits

from sembench.results.result import Result
from sembench_leaderboard.claims.claim import Claim, Outcome
from sembench_leaderboard.claims.declared import CLAIMS
from sembench_leaderboard.comparison.difference import Comparison, compare, mean_over_datasets
from sembench_leaderboard.entries.grouping import by_dataset, by_suite
from sembench_leaderboard.entries.selection import NOT_RUN, Method, name_of
from sembench_leaderboard.statistics.bootstrap import MIN_SEEDS
from sembench_leaderboard.tables.numbers import with_unit

_STRADDLES = "the interval contains the margin"


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
        parts: The comparisons that it rests on; none where it rests on the verdicts of data sets.
        beyond: Comparisons with further explainers that contradict the claim without being part of it.
    """

    outcome: Outcome
    why: str
    datasets: tuple[str, ...]
    parts: tuple[JudgedComparison, ...] = ()
    beyond: tuple[JudgedComparison, ...] = ()

    @property
    def closest(self) -> JudgedComparison | None:
        """The comparison nearest to failing, or farthest beyond; ``None`` where nothing could be compared."""
        return self.parts[0] if self.parts and self.parts[0].comparison.estimate is not None else None

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
    """Fails if a part fails, else open if a part is open; the part nearest to failing comes first."""

    def slack(part: JudgedComparison) -> float:
        own = part.comparison.estimate
        return float("inf") if own is None else claim.test.slack(own.value)

    parts = sorted(parts, key=slack)
    outcome = _all([part.outcome for part in parts])
    deciding = [part for part in parts if part.outcome == outcome and part.why]
    reasons = dict.fromkeys(f"{_against(part, parts)}{reason}" for part in deciding for reason in part.why)
    return Verdict(outcome, _joined(reasons), datasets, tuple(parts), beyond)


def _joined(reasons: Iterable[str]) -> str:
    """Reasons in one sentence; missing results are listed together."""
    reasons = list(reasons)
    absent = [reason.removeprefix(NOT_RUN) for reason in reasons if reason.startswith(NOT_RUN)]
    others = [reason for reason in reasons if not reason.startswith(NOT_RUN)]
    return "; ".join(([NOT_RUN + ", ".join(absent)] if absent else []) + others)


def _against(part: JudgedComparison, parts: Sequence[JudgedComparison]) -> str:
    several = len(parts) > 1 and part.comparison.estimate is not None
    return f"{part.comparison.first} against {part.comparison.second}: " if several else ""


def _all(outcomes: Sequence[Outcome]) -> Outcome:
    return "fails" if "fails" in outcomes else "open" if "open" in outcomes else "holds"


def tested_on(verdicts: dict[str, Verdict]) -> tuple[str, ...]:
    """The data sets with enough results to test a claim on."""
    return tuple(name for name, verdict in verdicts.items() if verdict.tested)


def together(claim: Claim, verdicts: dict[str, Verdict]) -> Verdict:
    """Every data set has to agree, or some: those on which there are results to test."""
    tested = tested_on(verdicts)
    if not tested:
        return Verdict("open", _joined(dict.fromkeys(verdict.why for verdict in verdicts.values())), ())
    outcome = _all([verdicts[name].outcome for name in tested])
    if claim.over == "some":
        # One data set is enough, so one that could not be tested yet leaves it open.
        every = [verdict.outcome for verdict in verdicts.values()]
        outcome = "holds" if "holds" in every else "open" if "open" in every else "fails"
    named = {own: [name for name in tested if verdicts[name].outcome == own] for own in get_args(Outcome)}
    untested = [name for name in verdicts if name not in tested]
    parts = [f"{own} on {', '.join(names)}" for own, names in named.items() if names]
    parts += [f"too few results to test it on {', '.join(untested)}"] if untested else []
    return Verdict(outcome, "; ".join(parts), tested)


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


def examine(results: Iterable[Result], claims: Sequence[Claim] = CLAIMS) -> list[ClaimVerdict]:
    """Tests every claim on every suite among the results; verdicts are ordered by suite, then as the claims are.

    Raises:
        ResultsMixed: If results of one entry do not belong together.
    """
    with threadpool_limits(1, user_api="blas"):
        return [
            _examined(claim, suite, datasets)
            for suite, own in by_suite(results).items()
            for datasets in [by_dataset(own)]
            for claim in claims
        ]


def _examined(claim: Claim, suite: str, datasets: dict[str, list[Result]]) -> ClaimVerdict:
    concerned = {name: runs for name, runs in datasets.items() if name.startswith(claim.dataset)}
    if not concerned:
        return ClaimVerdict(claim, suite, Verdict("open", f"{NOT_RUN}{claim.dataset}", ()), {})
    pairs = [(first, second) for first in claim.first for second in claim.second or (None,)]
    parts: dict[str, list[JudgedComparison]] = {}
    verdicts: dict[str, Verdict] = {}
    for name, runs in concerned.items():
        against = partial(compare, claim.metric, runs=runs, reads=claim.reads)
        parts[name] = [judge(claim, against(*pair)) for pair in pairs]
        beyond = _contradicting(claim, runs, against) if claim.beyond else ()
        verdicts[name] = combined(claim, parts[name], (name,), beyond)
    if claim.over == "mean":
        means = [mean(claim, pair) for pair in zip(*parts.values(), strict=True)]
        overall = combined(claim, means, tested_on(verdicts))
        if overall.closest is not None:
            over = f"mean over {', '.join(overall.closest.comparison.datasets)}"
            overall = replace(overall, why="; ".join(filter(None, [over, overall.why])))
        return ClaimVerdict(claim, suite, overall, verdicts)
    return ClaimVerdict(claim, suite, together(claim, verdicts), verdicts)


def _contradicting(
    claim: Claim, runs: Sequence[Result], against: Callable[..., Comparison]
) -> tuple[JudgedComparison, ...]:
    """Explainers that the paper did not compare with, and that are as good as the best or better."""
    named = {name for wanted in claim.first + claim.second for name in wanted.names}
    others = sorted({name_of(run) for run in runs if run.kind == "explainer"} - named)
    judged = [judge(claim, against(claim.first[0], Method((name,)))) for name in others]
    return tuple(part for part in judged if part.outcome == "fails")
