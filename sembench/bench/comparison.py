"""What changed between two recordings, beyond the noise that they show themselves?

Times are compared as ratios, head to base, on the logarithm. Recordings of one session took turns, so each round gives
a ratio of its own and what slows both sides cancels; their spread is the noise (Student's t). Recordings of different
sessions are compared by Welch's test, and whatever changed on the machine in between looks like a change of the code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from sembench.bench.recording import Recording, RecordingInvalid

LEVEL = 0.05
"""If nothing changed, at most this share of comparisons names any time at all: divided among the workloads."""


@dataclass(frozen=True)
class Time:
    """The time of one workload on both sides.

    Attributes:
        name: The workload.
        base: Median over rounds, s.
        head: Median over rounds, s.
        ratio: Head to base, from the means of the logarithms.
        low: Lower end of the interval of the ratio.
        high: Upper end.
    """

    name: str
    base: float
    head: float
    ratio: float
    low: float
    high: float

    @property
    def changed(self) -> bool:
        """Whether the interval leaves out 1."""
        return self.low > 1 or self.high < 1

    @property
    def noise(self) -> float:
        """The least relative change that would have been named, e.g. 0.08 for eight per cent."""
        return math.sqrt(self.high / self.low) - 1


@dataclass(frozen=True)
class Comparison:
    """Everything that two recordings say.

    Attributes:
        base: Name of the one side.
        head: Name of the other.
        paired: Whether their rounds took turns.
        rounds: Rounds of base and of head.
        machines: Facts of the machine that differ, as (fact, base, head).
        times: By workload.
        counts: Exact counts that differ: (workload, count, base, head).
        scores: Scores that differ: (workload, how many, of how many, largest difference).
        unsteady: Counts or scores that differ between rounds of one side, so that they are not compared.
        missing: Workloads that were not measured on both sides, and why.
    """

    base: str
    head: str
    paired: bool
    rounds: tuple[int, int]
    machines: list[tuple[str, str, str]]
    times: list[Time]
    counts: list[tuple[str, str, int, int]] = field(default_factory=list)
    scores: list[tuple[str, int, int, float]] = field(default_factory=list)
    unsteady: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def compare(base: Recording, head: Recording, *, level: float = LEVEL) -> Comparison:
    """Compares two recordings: times beyond their noise, counts and scores exactly.

    Args:
        base: What it was.
        head: What it is.
        level: Share of comparisons of unchanged code in which any time may be named.

    Raises:
        RecordingInvalid: If a side has fewer than two rounds, which show no noise, or nothing is common to both.
    """
    for side in (base, head):
        if len(side.rounds) < 2:
            raise RecordingInvalid(f"{side.tree} has one round, which shows no noise. Record two or more, better five.")
    paired = bool(base.session) and base.session == head.session and len(base.rounds) == len(head.rounds)
    common = [name for name in base.rounds[0].seconds if _everywhere(name, base) and _everywhere(name, head)]
    if not common:
        raise RecordingInvalid(f"{base.tree} and {head.tree} have no workload in common: {_missing(base, head, ())}.")
    times = [_time(name, base, head, paired=paired, level=level / len(common)) for name in common]
    found = Comparison(
        base=base.tree,
        head=head.tree,
        paired=paired,
        rounds=(len(base.rounds), len(head.rounds)),
        machines=[
            (fact, base.machine.get(fact, ""), head.machine.get(fact, ""))
            for fact in sorted({*base.machine, *head.machine})
            if base.machine.get(fact) != head.machine.get(fact)
        ],
        times=times,
        missing=_missing(base, head, common),
    )
    for name in common:
        _exact(name, base, head, found)
    return found


def _everywhere(name: str, recording: Recording) -> bool:
    return all(name in one.seconds for one in recording.rounds)


def _time(name: str, base: Recording, head: Recording, *, paired: bool, level: float) -> Time:
    """The ratio of the times and its interval at one workload's share of the level."""
    a, b = (np.log([one.seconds[name] for one in side.rounds]) for side in (base, head))
    if paired:
        error, freedom = float(np.std(b - a, ddof=1)) / math.sqrt(len(a)), len(a) - 1.0
    else:
        parts = np.array([np.var(side, ddof=1) / len(side) for side in (a, b)])
        error = float(np.sqrt(parts.sum()))
        shares = sum(part**2 / (len(side) - 1) for part, side in zip(parts, (a, b), strict=True))
        freedom = float(parts.sum() ** 2 / shares) if shares > 0 else len(a) + len(b) - 2.0
    middle = float(b.mean() - a.mean())
    reach = float(stats.t.ppf(1 - level / 2, freedom)) * error
    ends = [math.exp(min(max(value, -700.0), 700.0)) for value in (middle, middle - reach, middle + reach)]
    return Time(name, math.exp(float(np.median(a))), math.exp(float(np.median(b))), *ends)


def _missing(base: Recording, head: Recording, common: Sequence[str]) -> dict[str, str]:
    """Why a workload was not compared."""
    reasons: dict[str, str] = {}
    sides = {"base": base, "head": head}
    for where, side in sides.items():
        for one in side.rounds:
            for name in {*one.seconds, *one.left_out} - set(common):
                if name in one.left_out:
                    reasons[name] = f"{where}: {one.left_out[name]}"
                else:
                    reasons.setdefault(name, "not measured in every round of both sides")
    return dict(sorted(reasons.items()))


def _exact(name: str, base: Recording, head: Recording, found: Comparison) -> None:
    """Adds the counts and scores of a workload that differ, or are not steady within one side."""
    for kind in ("counts", "scores"):
        if not all(_steady(name, kind, side) for side in (base, head)):
            found.unsteady.append(f"{kind} of {name}")
            continue
        before, after = (getattr(side.rounds[0], kind)[name] for side in (base, head))
        if before == after:
            continue
        if kind == "counts":
            found.counts.extend(
                (name, count, before.get(count, 0), after.get(count, 0))
                for count in sorted({*before, *after})
                if before.get(count, 0) != after.get(count, 0)
            )
        else:
            found.scores.append((name, *_difference(before, after)))


def _steady(name: str, kind: str, side: Recording) -> bool:
    """Whether counts or scores of a workload are the same in every round."""
    first = getattr(side.rounds[0], kind)[name]
    return all(getattr(one, kind)[name] == first for one in side.rounds)


def _difference(before: Sequence[float], after: Sequence[float]) -> tuple[int, int, float]:
    """How many scores differ, of how many, and by how much at most; another number of scores counts as all."""
    if len(before) != len(after):
        return max(len(before), len(after)), max(len(before), len(after)), math.inf
    gaps = [abs(a - b) for a, b in zip(before, after, strict=True) if a != b]
    return len(gaps), len(before), max(gaps, default=0.0)
