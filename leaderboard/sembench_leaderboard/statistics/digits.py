"""Digits of numbers that are written, or compared, the same on every processor.

Processors and libraries sum in different orders and differ in the last bits of a number. What is written has fewer
digits than that, and so have numbers that decide an order: files of one set of results are equal byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable

DIGITS = 9  # significant ones of a number that is written
NOISE = 1e-12  # share of the largest score below which two sums are equal
_DECIMALS = 7  # of scores that are put in order: networks compute in float32
_UP = 1 + 2.0**-43  # moves halves off the border between two numbers, where the last bit would decide


def rounded(value: float, digits: int = DIGITS) -> float:
    """A value with this number of significant digits; halves go away from 0."""
    return float(f"{_UP * value:.{digits}g}")


def to_decimals(value: float, decimals: int) -> float:
    """A value with this number of decimals, never a negative zero; halves go away from 0."""
    return round(_UP * value, decimals) + 0.0


def comparable(values: Iterable[float]) -> list[float]:
    """Values with 7 decimals, to be put in order: what differs by less is equal but for float32's rounding."""
    return [round(value, _DECIMALS) for value in values]
