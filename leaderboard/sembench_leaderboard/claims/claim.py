"""Claims: statements of papers, each with the test on results that decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sembench_leaderboard.entries.selection import Method
from sembench_leaderboard.statistics.bootstrap import Interval

Outcome = Literal["holds", "fails", "open"]
Kind = Literal["above", "below", "within", "outside", "slight", "never", "occurs"]
Reading = Literal["scores", "position", "area", "size", "improvement", "range", "over random", "cost"]

PAPERS_DATASETS = 7
"""Data sets of [K]: "on two of the data sets" is said of these."""


@dataclass(frozen=True)
class Test:
    """Which values of a quantity agree with a claim.

    =========== =========================================== =========================================
    kind        holds                                       fails
    =========== =========================================== =========================================
    ``above``   low > margin                                high <= margin
    ``below``   high < margin                               low >= margin
    ``within``  -margin <= low, high <= margin              low > margin or high < -margin
    ``outside`` low > margin or high < -margin              -margin <= low, high <= margin
    ``slight``  within the margin, 0 outside [low, high]    beyond the margin, or exactly 0
    ``never``   value = 0: no case at all                   value > 0: one case is enough
    ``occurs``  value > 0: one case is enough               value = 0: no case at all
    =========== =========================================== =========================================

    with the limits of the 95 % interval; everything else is open.

    The margin is in the unit of the quantity.
    """

    __test__ = False  # not a test of pytest's

    kind: Kind
    margin: float = 0.0

    def outcome(self, interval: Interval) -> Outcome:
        """Whether the quantity agrees with the claim."""
        value, low, high, margin = interval.value, interval.low, interval.high, self.margin
        inside, beyond = -margin <= low and high <= margin, low > margin or high < -margin
        holds, fails = {
            "above": (low > margin, high <= margin),
            "below": (high < margin, low >= margin),
            "within": (inside, beyond),
            "outside": (beyond, inside),
            "slight": (inside and (low > 0 or high < 0), beyond or low == high == 0),
            "never": (value == 0, value > 0),
            "occurs": (value > 0, value == 0),
        }[self.kind]
        return "holds" if holds else "fails" if fails else "open"

    def slack(self, value: float) -> float:
        """How far inside the accepted values it lies; negative outside. The smallest belongs to the closest rival."""
        return {
            "above": value - self.margin, "below": self.margin - value, "within": self.margin - abs(value),
            "outside": abs(value) - self.margin, "slight": min(self.margin - abs(value), abs(value)),
            "never": -value, "occurs": value,
        }[self.kind]  # fmt: skip

    @property
    def decided_by_one(self) -> Outcome | None:
        """The outcome for which a single seed is enough: a case was seen, and no further seed can undo that."""
        return {"never": "fails", "occurs": "holds"}.get(self.kind)  # type: ignore[return-value]


@dataclass(frozen=True)
class Along:
    """Entries of a method that differ in one hyper-parameter.

    Attributes:
        parameter: The hyper-parameter; values that are no whole numbers are left out.
        pairs: ``all`` compares each two values of a method, ``steps`` each with the next smaller one, ``extremes`` the
            largest with the smallest; ``same`` and ``ends`` compare methods with each other, at every value that both
            have, or at the smallest and the largest of these.
        least: Smallest value that is compared.
    """

    parameter: str
    pairs: Literal["all", "steps", "extremes", "same", "ends"]
    least: int = 1

    @property
    def words(self) -> str:
        """Which entries are compared, in words."""
        which = {
            "all": "each two values of", "steps": "each value against the next smaller one of",
            "extremes": "the largest against the smallest value of",
            "same": "at every common value of", "ends": "at the smallest and the largest value of",
        }[self.pairs]  # fmt: skip
        return f"{which} {self.parameter}" + (f" from {self.least} on" if self.least > 1 else "")


@dataclass(frozen=True)
class Claim:
    """A statement of a paper and its test.

    The quantity is a metric of each first method minus that of each second one, or the metric itself where there is no
    second. A claim holds on a data set if every such difference agrees with it, under each of the metrics.

    Attributes:
        key: Short name, unique.
        statement: What the paper says, in its words where they can stand alone.
        source: Paper and section, and after a comma the table or figure.
        metrics: Keys of metrics; of ``cost`` and ``area`` the name of the quantity.
        first: Methods that the claim is about.
        test: Which values of the quantity agree.
        second: What they are compared with. The same as ``first``: each two of them, once.
        margin: What the margin means, and where it comes from.
        over: Over data sets: ``every`` has to agree, all but one, ``some`` (one at least), a number of the paper's
            seven, or the ``mean`` of the quantity.
        datasets: Test only data sets whose name starts with one of these.
        without: Leave out data sets whose name starts with this.
        reads: ``scores``; their ``position`` on the radar's axis; the ``area`` of the radar's outline; the ``size`` of
            their mean, whatever its sign; the ``improvement`` of a conversion over the model that it is made of; the
            ``range`` of a mean curve (largest minus smallest point), or how far it rises ``over random``, its ends
            aside: one number per seed, as for a ``cost``.
        along: Compare entries along a hyper-parameter.
        beyond: Whether to say which further explainers contradict a claim about the best or the worst.
    """

    key: str
    statement: str
    source: str
    metrics: tuple[str, ...]
    first: tuple[Method, ...]
    test: Test
    second: tuple[Method, ...] = ()
    margin: str = ""
    over: Literal["every", "all but one", "some", "mean"] | int = "every"
    datasets: tuple[str, ...] = ()
    without: str = ""
    reads: Reading = "scores"
    along: Along | None = None
    beyond: bool = False

    @property
    def section(self) -> str:
        """Paper and section, e.g. ``[K] 4.2.1``."""
        return self.source.split(",")[0]

    @property
    def scope(self) -> str:
        """Over which data sets it is judged, in words."""
        return f"{self.over} of {PAPERS_DATASETS}" if isinstance(self.over, int) else self.over

    def concerns(self, dataset: str) -> bool:
        """Whether it is tested on a data set of this name."""
        left_out = bool(self.without) and dataset.startswith(self.without)
        return not left_out and dataset.startswith(self.datasets or "")


_QUANTITIES: dict[Reading, str] = {
    "scores": "{}", "position": "position on the radar's axis of {}", "area": "the area of the radar's outline",
    "size": "the size of the mean {}, whatever its sign,", "improvement": "the change by conversion in {}",
    "range": "the range of the mean {} curve", "over random": "the highest rise of the {} curve over its random curve",
    "cost": "{}",
}  # fmt: skip


def in_words(claim: Claim) -> str:
    """The test of a claim: quantity, accepted values, margin, data sets."""
    quantity = _QUANTITIES[claim.reads].format("each of " * (len(claim.metrics) > 1) + ", ".join(claim.metrics))
    firsts, seconds = (", ".join(m.title for m in methods) for methods in (claim.first, claim.second))
    if claim.second == claim.first:
        quantity += f" of each of {firsts} minus that of each other"
    else:
        quantity += f" of {'each of ' * (len(claim.first) > 1)}{firsts}" + (f" minus that of {seconds}" * bool(seconds))
        quantity += ", one by one" if len(claim.second) > 1 else ""
    if claim.along:
        one_method = claim.along.pairs not in ("same", "ends")
        quantity = f"{'the difference in ' * one_method}{quantity} ({claim.along.words})"
    margin = f"{claim.test.margin:g}"
    accepted = {
        "above": f"is above {margin}", "below": f"is below {margin}", "within": f"is within {margin} of 0",
        "outside": f"is more than {margin} from 0", "slight": f"differs from 0, and is within {margin} of it",
        "never": "is 0 in every seed; a single case refutes it", "occurs": "is above 0; a single case shows it",
    }[claim.test.kind]  # fmt: skip
    meaning = f"; margin: {claim.margin}" if claim.margin else ""
    where = f"; only on data sets whose name starts with {' or '.join(claim.datasets)}" if claim.datasets else ""
    where += f"; not on data sets whose name starts with {claim.without}" if claim.without else ""
    return f"{quantity} {accepted}{meaning}{where}"
