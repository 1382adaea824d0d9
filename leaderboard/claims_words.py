"""How are a claim's test and what came out of it said in words and numbers?"""

from __future__ import annotations

from benchmark.results import Measure
from leaderboard import numbers
from leaderboard.claim import Claim
from leaderboard.finding import Judged
from leaderboard.statistics import Interval


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


def shown(part: Judged) -> str:
    """The quantity with its interval, e.g. ``-1.1 [-3.1, +0.3] points``; empty where there is none."""
    own = part.comparison
    if own.estimate is None or own.measure is None:
        return ""
    return with_unit(own.estimate.interval(), own.measure, difference=bool(own.second))


def with_unit(interval: Interval, measure: Measure, *, difference: bool) -> str:
    """A score with its interval and unit; a difference of shares is in points, and carries a sign."""
    factor, unit = 1.0, numbers.unit(measure)
    if difference:
        factor, unit = (100.0, "points") if numbers.in_percent(measure) else (1.0, measure.unit)
        measure = measure.model_copy(update={"lower": None, "upper": None})
    low, high = factor * interval.low, factor * interval.high
    return f"{numbers.with_interval(factor * interval.value, low, high, measure)} {unit}".rstrip()
