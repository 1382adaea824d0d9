import math

import pytest

from sembench_leaderboard.statistics.digits import comparable, rounded, to_decimals


@pytest.mark.parametrize("half", [0.1234567885, 0.5166015625, 1234.567895, -0.9876543215])
def test_the_last_bit_of_a_half_decides_nothing(half):
    below, above = math.nextafter(half, -math.inf), math.nextafter(half, math.inf)
    assert rounded(below) == rounded(half) == rounded(above)
    assert to_decimals(below / 10, 10) == to_decimals(above / 10, 10)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.25, 0.1, 123456789.0, 1e-12, 0.333333333])
def test_short_numbers_stay_as_they_are(value):
    assert rounded(value) == value


def test_digits_are_counted_from_the_first_and_decimals_from_the_point():
    assert rounded(2 / 3) == 0.666666667
    assert rounded(2e-9 / 3) == 6.66666667e-10
    assert rounded(2 / 3, 2) == 0.67
    assert to_decimals(2 / 3, 3) == 0.667
    assert math.copysign(1, to_decimals(-1e-9, 3)) == 1


def test_what_differs_by_the_rounding_of_float32_is_equal():
    assert comparable([0.33104159047, 0.33104159073, 0.3310418]) == [0.3310416, 0.3310416, 0.3310418]
