"""Claims: statements of papers, each with the test on results that decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sembench_leaderboard.entries.selection import Method
from sembench_leaderboard.statistics.bootstrap import Interval

Outcome = Literal["holds", "fails", "open"]
Kind = Literal["above", "below", "within", "never", "occurs"]


@dataclass(frozen=True)
class Test:
    """Which values of a quantity agree with a claim.

    ========== ============================ ============================
    kind       holds                        fails
    ========== ============================ ============================
    ``above``  low > margin                 high <= margin
    ``below``  high < margin                low >= margin
    ``within`` -margin <= low, high <= margin  low > margin or high < -margin
    ``never``  value = 0: no case at all    value > 0: one case is enough
    ``occurs`` value > 0: one case is enough  value = 0: no case at all
    ========== ============================ ============================

    with the limits of the 95 % interval; everything else is open.

    The margin is in the unit of the metric.
    """

    __test__ = False  # not a test of pytest's

    kind: Kind
    margin: float = 0.0

    def outcome(self, interval: Interval) -> Outcome:
        """Whether the quantity agrees with the claim."""
        value, low, high, margin = interval.value, interval.low, interval.high, self.margin
        holds, fails = {
            "above": (low > margin, high <= margin),
            "below": (high < margin, low >= margin),
            "within": (-margin <= low and high <= margin, low > margin or high < -margin),
            "never": (value == 0, value > 0),
            "occurs": (value > 0, value == 0),
        }[self.kind]
        return "holds" if holds else "fails" if fails else "open"

    def slack(self, value: float) -> float:
        """How far inside the accepted values it lies; negative outside. The smallest belongs to the closest rival."""
        return {
            "above": value - self.margin, "below": self.margin - value, "within": self.margin - abs(value),
            "never": -value, "occurs": value,
        }[self.kind]  # fmt: skip

    @property
    def decided_by_one(self) -> Outcome | None:
        """The outcome for which a single seed is enough: a case was seen, and no further seed can undo that."""
        return {"never": "fails", "occurs": "holds"}.get(self.kind)  # type: ignore[return-value]


@dataclass(frozen=True)
class Claim:
    """A statement of a paper and its test.

    The quantity is the metric of each first method minus that of each second one, or the metric itself where there is
    no second. A claim holds on a data set if every such pair agrees with it.

    Attributes:
        key: Short name, unique.
        source: Paper, and table or figure where known.
        first: Methods that the claim is about.
        test: Which values of the quantity agree.
        second: What they are compared with.
        margin: What the margin means, and where it comes from.
        over: Over data sets: ``every`` has to agree, ``some`` (one at least), or the ``mean`` of the quantity.
        dataset: Test only data sets whose name starts with this.
        reads: ``scores``, or the ``range`` of a metric's mean curve (largest minus smallest point), one per seed.
        beyond: Whether to say which further explainers contradict a claim about the best or the worst.
    """

    key: str
    statement: str
    source: str
    metric: str
    first: tuple[Method, ...]
    test: Test
    second: tuple[Method, ...] = ()
    margin: str = ""
    over: Literal["every", "some", "mean"] = "every"
    dataset: str = ""
    reads: Literal["scores", "range"] = "scores"
    beyond: bool = False


def in_words(claim: Claim) -> str:
    """The test of a claim: quantity, accepted values, margin, data sets."""
    quantity = f"the range of the mean {claim.metric} curve" if claim.reads == "range" else claim.metric
    firsts, seconds = (", ".join(m.title for m in methods) for methods in (claim.first, claim.second))
    each = "each of " if len(claim.first) > 1 else ""
    quantity += f" of {each}{firsts}" + (f" minus that of {seconds}" if seconds else "")
    quantity += ", one by one" if len(claim.second) > 1 else ""
    margin = f"{claim.test.margin:g}"
    accepted = {
        "above": f"is above {margin}", "below": f"is below {margin}", "within": f"is within {margin} of 0",
        "never": "is 0 in every seed; a single case refutes it", "occurs": "is above 0; a single case shows it",
    }[claim.test.kind]  # fmt: skip
    meaning = f"; margin: {claim.margin}" if claim.margin else ""
    where = f"; only on data sets whose name starts with {claim.dataset}" if claim.dataset else ""
    return f"{quantity} {accepted}{meaning}{where}"
