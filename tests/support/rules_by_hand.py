"""The rules of a head again, from their formulas: one row, one channel, one rival at a time, on plain lists."""

import math


def shares(parts):
    """Each part over the sum of all."""
    total = math.fsum(parts)
    return [part / total for part in parts]


def prp_by_hand(z, p):
    """The share of a channel falls with the fourth power of its difference."""
    return shares([1 / ((a - b) ** 4 + 1e-12) for a, b in zip(z, p, strict=True)])


def neon_by_hand(z, p, rivals):
    """Split every ``h_j`` over channels around the midpoint, then pool the rivals by a soft minimum."""
    parts = []
    for rival in rivals:
        midpoints = [(a + b) / 2 for a, b in zip(p, rival, strict=True)]
        parts.append([2 * (a - b) * (x - m) for a, b, x, m in zip(p, rival, z, midpoints, strict=True)])
    heights = [sum(part) for part in parts]
    stiffness = 1 / min(abs(height) for height in heights)
    powers = [math.exp(-stiffness * (height - min(heights))) for height in heights]
    total = [0.0] * len(z)
    for weight, part, height in zip(shares(powers), parts, heights, strict=True):
        for channel, value in enumerate(part):
            total[channel] += weight * value / height
    return total


def contrast_by_hand(z, p, rivals):
    """What each channel adds to ``<z, p - r>``, ``r`` the rival nearest to ``z``."""
    nearest = min(rivals, key=lambda rival: math.dist(z, rival))
    return shares([x * (a - b) for x, a, b in zip(z, p, nearest, strict=True)])


def gxi_of_distance_by_hand(z, p):
    """Gradient of ``-|z - p|`` times ``z``; the length cancels."""
    return shares([-x * (x - a) for x, a in zip(z, p, strict=True)])


def onto_active_by_hand(parts, z):
    """What lies on channels that are off goes to the others, in proportion."""
    return shares([part if x != 0 else 0.0 for part, x in zip(parts, z, strict=True)])
