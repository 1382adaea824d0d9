"""Numbers as text, with as many digits as their interval supports, in the unit that their measure declares."""

from __future__ import annotations

import math
from decimal import Decimal

from sembench.results.score import Measure
from sembench_leaderboard.statistics.bootstrap import Interval

_STEPS = 5  # an interval is 5 to 50 steps of the last digit wide
_SIGNIFICANT = 4  # most digits of a number, whatever its interval


def in_percent(measure: Measure) -> bool:
    """Whether a mean is the share of a split's images: a pure number from 0 to 1 for every training or test image."""
    every_image = measure.per in ("test image", "training image")
    return every_image and (measure.lower, measure.upper, measure.unit) == (0, 1, "")


def unit(measure: Measure) -> str:
    """The unit as printed beside a title; empty for a pure number."""
    return "%" if in_percent(measure) else measure.unit


def with_interval(value: float, low: float, high: float, measure: Measure) -> str:
    """A value with its interval, e.g. ``97.2 [96.1, 98.3]``; the number of digits follows from the interval's width."""
    scale = 100 if in_percent(measure) else 1
    numbers = [scale * number for number in (value, low, high)]
    form = _form(max(map(abs, numbers)), numbers[2] - numbers[1])
    centre, lower, upper = (_signed(_printed(form, number), measure) for number in numbers)
    return f"{centre} [{lower}, {upper}]"


def alone(value: float, measure: Measure) -> str:
    """A value without an interval, with three significant digits."""
    scaled = 100 * value if in_percent(measure) else value
    return _signed(_printed(_form(abs(scaled), 0), scaled), measure)


def with_spread(value: float, spread: float | None) -> str:
    """A mean with a standard deviation, e.g. ``97.2 ± 0.4``; the number of digits follows from the spread."""
    if spread is None or spread == 0:
        text = f"{value:.0f}" if value.is_integer() else _printed(_form(abs(value), 0), value)
        return text if spread is None else f"{text} ± 0"
    form = _form(max(abs(value), spread), _STEPS * spread)
    return f"{_printed(form, value)} ± {_printed(form, spread)}"


def _printed(form: str, number: float) -> str:
    """A number in a format; halves go to the even digit by its first 10 digits, not by its last bit."""
    return form.format(number if "e" in form else Decimal(f"{number:.10g}"))


def _form(magnitude: float, width: float) -> str:
    """Format of numbers up to ``magnitude`` that are known to about ``width``."""
    if magnitude == 0:
        return "{:.0f}"
    leading = math.floor(math.log10(magnitude))
    if not -3 <= leading < 6:
        return "{:.2e}"
    wanted = max(1, -math.floor(math.log10(width / _STEPS))) if width > 0 else 2 - leading
    return f"{{:.{max(0, min(wanted, _SIGNIFICANT - 1 - leading))}f}}"


def _signed(text: str, measure: Measure) -> str:
    """Numbers of a measure that may be negative carry their sign; zero carries none."""
    if float(text) == 0:
        return "0" if "e" in text else text.lstrip("-")
    may_be_negative = measure.lower is None or measure.lower < 0
    return f"+{text}" if may_be_negative and not text.startswith("-") else text


def with_unit(interval: Interval, measure: Measure, *, difference: bool) -> str:
    """A score with its interval and unit; a difference of shares is in points, and carries a sign."""
    factor, named = 1.0, unit(measure)
    if difference:
        factor, named = (100.0, "points") if in_percent(measure) else (1.0, measure.unit)
        measure = measure.model_copy(update={"lower": None, "upper": None})
    low, high = factor * interval.low, factor * interval.high
    return f"{with_interval(factor * interval.value, low, high, measure)} {named}".rstrip()


def p_text(p: float) -> str:
    """A p-value with two digits, at least three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_said(p: float) -> str:
    """A p-value within a sentence."""
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
