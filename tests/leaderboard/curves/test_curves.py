import io
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from sembench.errors import SembenchError
from sembench_leaderboard.commands.charts import fading, figure_files
from sembench_leaderboard.curves.curves import chart, fadings, rendered

FALL, RANDOM = (1.0, 0.75, 0.0), (1.0, 0.25, 0.0)


@pytest.fixture
def faded(build):
    def make(explainer="kmex", seed=0, curve=FALL, random=RANDOM, spread=(0.1, 0.1, 0.1), **fields):
        details = {
            "curve": curve, "random curve": random,
            "curve standard deviation": spread, "random curve standard deviation": (0.0,) * len(random),
        }  # fmt: skip
        score = build.scored("ro_auroc", [0.6, 0.6], details=details)
        return build.result({"ro_auroc": score}, explainer=explainer, seed=seed, **fields)

    return make


def lines(axes):
    return [line.get_ydata().tolist() for line in axes.get_lines()]


def words(sheet):
    return " ".join(" ".join(text.get_text() for text in sheet.figure.findobj(Text)).split())


def test_means_and_spread_are_those_of_all_images_of_all_seeds(faded):
    (own,) = fadings([faded(seed=0, curve=(1.0, 0.6, 0.2)), faded(seed=1, curve=(1.0, 0.8, 0.0))])
    (kmex,) = own.methods
    assert kmex.ordered.mean.tolist() == pytest.approx([1.0, 0.7, 0.1])
    rng = np.random.default_rng(0)
    images = rng.normal(size=1000)
    images = (images - images.mean()) / images.std()
    pooled = np.concatenate([0.6 + 0.1 * images, 0.8 + 0.1 * images])
    assert kmex.ordered.spread[1] == pytest.approx(pooled.std())
    assert kmex.ordered.area == pytest.approx((1.0 + 2 * 0.7 + 0.1) / 4)


def test_each_method_has_a_panel_with_its_curve_the_random_one_and_the_black_boxs(faded):
    black_box = faded("blackbox", kind="reference", curve=(1.0, 0.9, 0.5))
    (own,) = fadings([faded(), black_box])
    sheet = chart(own)
    reference, kmex = sheet.figure.axes[1:]
    assert lines(reference) == [list(RANDOM), [1.0, 0.9, 0.5]]
    assert lines(kmex) == [[1.0, 0.9, 0.5], list(RANDOM), list(FALL)]
    assert "kmex (0.62, 0.38)" in words(sheet)


def test_bands_end_at_zero_and_one(faded):
    (own,) = fadings([faded(spread=(0.1, 0.2, 0.2))])
    axes = chart(own).figure.axes[1]
    band = axes.collections[1].get_paths()[0].vertices
    assert band[:, 1].min() == 0
    assert band[:, 1].max() == 1
    middle = sorted({round(y, 6) for x, y in band if x == 0.5})
    assert middle == pytest.approx([0.55, 0.95])


def test_methods_without_curves_are_named_with_the_reason(build, faded):
    mute = build.result({"ro_auroc": build.not_applicable("ro_auroc", "it has no relevance")}, explainer="mute")
    old = build.result({"ro_auroc": build.scored("ro_auroc", [0.5])}, explainer="old")
    none = build.result({"accuracy": build.scored("accuracy", [1])}, explainer="none")
    (own,) = fadings([faded(), mute, old, none])
    assert own.left_out == {
        "mute": "it has no relevance", "none": "not measured", "old": "its results hold no curves; run it again",
    }  # fmt: skip
    assert "Without curves: mute (it has no relevance); none (not measured)" in words(chart(own))


def test_without_any_curve_and_with_uneven_seeds_it_is_refused(build, faded):
    with pytest.raises(SembenchError, match="run the suite with the metric 'ro_auroc'"):
        fadings([build.result({"accuracy": build.scored("accuracy", [1])})])
    with pytest.raises(SembenchError, match="seeds differ in the number of steps"):
        fadings([faded(seed=0), faded(seed=1, curve=(1.0, 0.0), spread=(0.1, 0.1), random=(1.0, 0.0))])


def test_the_same_bytes_whatever_the_users_settings(faded):
    own = fadings([faded(), faded("blackbox", kind="reference"), faded(dataset="letters")])
    first = rendered(own)
    assert list(first) == [f"quick/curves-{name}.{form}" for name in ("digits", "letters") for form in ("png", "svg")]
    with matplotlib.rc_context({"font.family": "monospace", "axes.grid": True}):
        before = dict(matplotlib.rcParams)
        assert rendered(own) == first
        assert dict(matplotlib.rcParams) == before
    assert "Software" in Image.open(io.BytesIO(first["quick/curves-digits.png"])).info
    ET.fromstring(first["quick/curves-digits.svg"])


@pytest.mark.parametrize("count", [1, 4, 9])
def test_no_words_overlap_or_are_cut(faded, count):
    (own,) = fadings([faded(f"kmex(protopnet{place})") for place in range(count)])
    figure = chart(own).figure
    figure.draw_without_rendering()
    renderer, page = figure._get_renderer(), figure.bbox
    boxes = [
        (text.get_text(), text.get_window_extent(renderer)) for text in figure.findobj(Text) if text.get_text().strip()
    ]
    assert [name for name, b in boxes if b.x0 < page.x0 or b.x1 > page.x1 or b.y0 < page.y0 or b.y1 > page.y1] == []
    titles = [(name, box) for name, box in boxes if "(" in name]
    assert [(a, b) for i, (a, box) in enumerate(titles) for b, other in titles[i + 1 :] if box.overlaps(other)] == []


def test_figures_are_narrowed_down(faded):
    results = [faded(), faded("b4"), faded(dataset="letters")]
    assert set(figure_files(fading, results, datasets=["letters"])) == {
        "quick/curves-letters.png",
        "quick/curves-letters.svg",
    }
    assert b'id="b4"' not in figure_files(fading, results, ["kmex"], ["digits"])["quick/curves-digits.svg"]
    with pytest.raises(SembenchError, match="no results of flint on any data"):
        figure_files(fading, results, ["flint"])
