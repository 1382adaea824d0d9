"""What do comparisons say of a claim? Verdicts on one data set, and over all of them.

Note:
    Verdicts are not corrected for their number. A statement of several parts ("best of all", "on every data set")
    needs no correction: each part has to hold by itself, so that the whole is no easier to hold by chance. A statement
    of the form "on some data sets" is easier to hold the more data sets there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from threadpoolctl import threadpool_limits

from sembench.results.result import Result
from sembench_leaderboard.claims.claim import Claim, Verdict
from sembench_leaderboard.claims.declared import CLAIMS
from sembench_leaderboard.comparison.difference import Comparison, compare, mean_over_datasets
from sembench_leaderboard.entries.selection import NOT_RUN, Method, name_of
from sembench_leaderboard.statistics.bootstrap import MIN_SEEDS
from sembench_leaderboard.tables.numbers import with_unit

_STRADDLES = "the interval contains the margin"
_WORDS: dict[Verdict, str] = {"holds": "holds on", "fails": "fails on", "open": "open on"}


@dataclass(frozen=True)
class Judged:
    """A comparison with its verdict, and why where that is not plain."""

    comparison: Comparison
    verdict: Verdict
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A claim on one data set, or over all.

    Attributes:
        verdict: ``holds``, ``fails`` or ``open``.
        why: What decided, in words.
        datasets: The data sets that it speaks of.
        parts: The comparisons that it rests on; none where it rests on the verdicts of data sets.
        beyond: Comparisons with further explainers that contradict the claim without being part of it.
    """

    verdict: Verdict
    why: str
    datasets: tuple[str, ...]
    parts: tuple[Judged, ...] = ()
    beyond: tuple[Judged, ...] = ()

    @property
    def closest(self) -> Judged | None:
        """The comparison nearest to failing, or farthest beyond; ``None`` where nothing could be compared."""
        return self.parts[0] if self.parts and self.parts[0].comparison.estimate is not None else None

    @property
    def tested(self) -> bool:
        """Whether there are enough results for a verdict, be it that the interval contains the margin."""
        return any(len(part.comparison.seeds) >= MIN_SEEDS or part.verdict != "open" for part in self.parts)


def judge(claim: Claim, comparison: Comparison) -> Judged:
    """Does a comparison agree with the claim? Open if results are missing, or there are too few seeds."""
    if comparison.estimate is None:
        return Judged(comparison, "open", comparison.missing)
    verdict = claim.test.verdict(comparison.estimate.interval())
    if len(comparison.seeds) < MIN_SEEDS and verdict != claim.test.decided_by_one:
        only = f"one seed ({comparison.seeds[0]}) speaks of one trained model"
        return Judged(comparison, "open", (f"{only}, on which it {_would(verdict)}: {MIN_SEEDS} are needed",))
    return Judged(comparison, verdict, (_STRADDLES,) if verdict == "open" else ())


def _would(verdict: Verdict) -> str:
    return {"holds": "would hold", "fails": "would fail", "open": "would be open too"}[verdict]


def combined(
    claim: Claim, parts: Sequence[Judged], datasets: tuple[str, ...], beyond: tuple[Judged, ...] = ()
) -> Finding:
    """Fails if a part fails, else open if a part is open; the part nearest to failing comes first."""

    def slack(part: Judged) -> float:
        own = part.comparison.estimate
        return float("inf") if own is None else claim.test.slack(own.value)

    parts = sorted(parts, key=slack)
    verdict = _all([part.verdict for part in parts])
    deciding = [part for part in parts if part.verdict == verdict and part.why]
    reasons = dict.fromkeys(f"{_against(part, parts)}{reason}" for part in deciding for reason in part.why)
    return Finding(verdict, _joined(reasons), datasets, tuple(parts), beyond)


def _joined(reasons: Iterable[str]) -> str:
    """Reasons in one sentence; missing results are listed together."""
    reasons = list(reasons)
    absent = [reason.removeprefix(NOT_RUN) for reason in reasons if reason.startswith(NOT_RUN)]
    others = [reason for reason in reasons if not reason.startswith(NOT_RUN)]
    return "; ".join(([NOT_RUN + ", ".join(absent)] if absent else []) + others)


def _against(part: Judged, parts: Sequence[Judged]) -> str:
    several = len(parts) > 1 and part.comparison.estimate is not None
    return f"{part.comparison.first} against {part.comparison.second}: " if several else ""


def _all(verdicts: Sequence[Verdict]) -> Verdict:
    return "fails" if "fails" in verdicts else "open" if "open" in verdicts else "holds"


def tested_on(findings: dict[str, Finding]) -> tuple[str, ...]:
    """The data sets with enough results to test a claim on."""
    return tuple(name for name, finding in findings.items() if finding.tested)


def together(claim: Claim, findings: dict[str, Finding]) -> Finding:
    """Every data set has to agree, or some: those on which there are results to test."""
    tested = tested_on(findings)
    if not tested:
        return Finding("open", _joined(dict.fromkeys(finding.why for finding in findings.values())), ())
    verdicts = [findings[name].verdict for name in tested]
    verdict = _all(verdicts)
    if claim.over == "some":
        # One data set is enough, so one that could not be tested yet leaves it open.
        every = [finding.verdict for finding in findings.values()]
        verdict = "holds" if "holds" in every else "open" if "open" in every else "fails"
    named = {own: [name for name in tested if findings[name].verdict == own] for own in _WORDS}
    untested = [name for name in findings if name not in tested]
    parts = [f"{_WORDS[own]} {', '.join(names)}" for own, names in named.items() if names]
    parts += [f"too few results to test it on {', '.join(untested)}"] if untested else []
    return Finding(verdict, "; ".join(parts), tested)


def mean(claim: Claim, parts: Sequence[Judged]) -> Judged:
    """The mean of one pair over the data sets on which it was run with enough seeds."""
    enough = [part.comparison for part in parts if len(part.comparison.seeds) >= MIN_SEEDS]
    if not enough:
        shown = next((part for part in parts if part.comparison.estimate is not None), parts[0])
        return replace(shown, verdict="open", why=tuple(dict.fromkeys(why for part in parts for why in part.why)))
    return judge(claim, mean_over_datasets(enough))


def over_datasets(finding: Finding) -> Finding:
    """A finding on means that says over which data sets they go."""
    if finding.closest is None:
        return finding
    over = f"mean over {', '.join(finding.closest.comparison.datasets)}"
    return replace(finding, why="; ".join(filter(None, [over, finding.why])))


def shown(part: Judged) -> str:
    """The quantity with its interval, e.g. ``-1.1 [-3.1, +0.3] points``; empty where there is none."""
    own = part.comparison
    if own.estimate is None or own.measure is None:
        return ""
    return with_unit(own.estimate.interval(), own.measure, difference=bool(own.second))


@dataclass(frozen=True)
class Examined:
    """A claim with its findings on one suite: over data sets, and on each data set by name."""

    claim: Claim
    suite: str
    overall: Finding
    findings: dict[str, Finding]


def examine(results: Iterable[Result], claims: Sequence[Claim] = CLAIMS) -> list[Examined]:
    """Tests every claim on every suite among the results.

    Args:
        results: Results as `load` returns them, in any order.
        claims: The claims.

    Returns:
        Ordered by suite, then as the claims are.

    Raises:
        ResultsMixed: If results of one entry do not belong together.
    """
    ordered = sorted(results, key=lambda r: (r.suite, r.dataset, r.explainer, r.seed))
    examined = []
    with threadpool_limits(1, user_api="blas"):
        for suite in dict.fromkeys(result.suite for result in ordered):
            datasets: dict[str, list[Result]] = {}
            for result in (result for result in ordered if result.suite == suite):
                datasets.setdefault(result.dataset, []).append(result)
            examined += [_examined(claim, suite, datasets) for claim in claims]
    return examined


def _examined(claim: Claim, suite: str, datasets: dict[str, list[Result]]) -> Examined:
    concerned = {name: cells for name, cells in datasets.items() if name.startswith(claim.dataset)}
    if not concerned:
        return Examined(claim, suite, Finding("open", f"{NOT_RUN}{claim.dataset}", ()), {})
    pairs = [(first, second) for first in claim.first for second in claim.second or (None,)]
    parts: dict[str, list[Judged]] = {}
    findings: dict[str, Finding] = {}
    for name, cells in concerned.items():
        against = partial(compare, claim.metric, cells=cells, reads=claim.reads)
        parts[name] = [judge(claim, against(*pair)) for pair in pairs]
        beyond = _contradicting(claim, cells, against) if claim.beyond else ()
        findings[name] = combined(claim, parts[name], (name,), beyond)
    if claim.over == "mean":
        means = [mean(claim, pair) for pair in zip(*parts.values(), strict=True)]
        return Examined(claim, suite, over_datasets(combined(claim, means, tested_on(findings))), findings)
    return Examined(claim, suite, together(claim, findings), findings)


def _contradicting(claim: Claim, cells: Sequence[Result], against: Callable[..., Comparison]) -> tuple[Judged, ...]:
    """Explainers that the paper did not compare with, and that are as good as the best or better."""
    named = {name for wanted in claim.first + claim.second for name in wanted.names}
    others = sorted({name_of(cell) for cell in cells if cell.kind == "explainer"} - named)
    judged = [judge(claim, against(claim.first[0], Method((name,)))) for name in others]
    return tuple(part for part in judged if part.verdict == "fails")
