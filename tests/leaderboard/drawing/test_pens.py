"""Methods are told apart: in colour, for readers who see fewer colours, in lightness, dashes and marker."""

import re
from itertools import combinations

import numpy as np
import pytest
from matplotlib.markers import MarkerStyle

from sembench_leaderboard.drawing.pens import COLOURS, DASHES, MARKERS, REFERENCE_DASHES, look, style_sheet

GROUNDS = ("#ffffff", "#161615")
REFERENCES = ("#000000", "#ecece6")
LEAST, STEP = 8.5, 2  # between colours, and in lightness alone; black is 100 from white
# Machado, Oliveira and Fernandes 2009, complete lack of one kind of cone; linear RGB.
SIGHTS = {
    "all cones": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def linear(colour):
    parts = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    lights = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def perceived(colour, sight):
    """Lightness, red against green and yellow against blue: Oklab, times 100."""
    seen = np.clip(np.asarray(SIGHTS[sight]) @ linear(colour), 0, 1)
    cones = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
             [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
    mixed = [[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099],
             [0.0259040371, 0.7827717662, -0.808675766]]  # fmt: skip
    return 100 * np.asarray(mixed) @ np.cbrt(np.asarray(cones) @ seen)


def test_of_seven_methods_no_two_agree_in_anything_and_of_49_in_more_than_one():
    looks = [look(place) for place in range(49)]
    for limit, some in [(0, looks[:7]), (1, looks)]:
        for one, other in combinations(some, 2):
            same = (one.colour == other.colour) + (one.dashes == other.dashes) + (one.marker == other.marker)
            assert same <= limit, (one, other)
    assert REFERENCE_DASHES not in DASHES


@pytest.mark.parametrize("ground", [0, 1], ids=["light", "dark"])
def test_colours_stand_out_from_their_ground(ground):
    assert all(contrast(both[ground], GROUNDS[ground]) >= 3 for both in COLOURS)


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("ground", [0, 1], ids=["light", "dark"])
def test_colours_are_apart_for_everyone(ground, sight):
    seen = {both[ground]: perceived(both[ground], sight) for both in COLOURS}
    seen[REFERENCES[ground]] = perceived(REFERENCES[ground], sight)
    distances = {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in combinations(seen, 2)}
    assert min(distances.values()) >= LEAST, min(distances, key=distances.get)


@pytest.mark.parametrize("ground", [0, 1], ids=["light", "dark"])
def test_no_two_colours_are_equally_light(ground):
    lightness = sorted(perceived(both[ground], "all cones")[0] for both in COLOURS)
    assert np.diff(lightness).min() >= STEP


@pytest.mark.parametrize(("marker", "corners"), MARKERS[1:])
def test_corners_are_those_of_matplotlibs_marker(marker, corners):
    made = MarkerStyle(marker)
    points = made.get_transform().transform(made.get_path().vertices[:-1])
    count, turn = corners
    drawn = sorted(np.degrees(np.arctan2(-points[:, 1], points[:, 0])) % 360)
    sides = {"^": -90, "v": 90, "<": 180, ">": 0}
    if marker in sides:  # its triangles are not regular
        assert (count, turn) == (3, sides[marker])
    else:
        assert drawn == pytest.approx(sorted((turn + 360 * corner / count) % 360 for corner in range(count)), abs=0.1)


def test_the_style_sheet_has_every_colour_light_and_dark():
    light, dark = style_sheet().split("@media screen and (prefers-color-scheme: dark)")
    for ground, rules in enumerate((light, dark)):
        assert re.findall(r"\.p(\d) { --pen: (\S+); }", rules) == [
            (str(number), both[ground]) for number, both in enumerate(COLOURS)
        ]
