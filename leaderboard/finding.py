"""What do comparisons say of a claim? Verdicts on one data set, and over all of them.

Note:
    Verdicts are not corrected for their number. A statement of several parts ("best of all", "on every data set")
    needs no correction: each part has to hold by itself, so that the whole is no easier to hold by chance. A statement
    of the form "on some data sets" is easier to hold the more data sets there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from leaderboard.claim import Claim, Verdict
from leaderboard.comparison import Comparison, mean_over_datasets
from leaderboard.method import NOT_RUN

MIN_SEEDS = 2

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
