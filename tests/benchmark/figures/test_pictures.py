"""What is on the pictures, where, and that drawing them leaves no trace."""

import dataclasses
import io
import itertools
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import AxesImage
from matplotlib.text import Text
from PIL import Image

from sembench.errors import NotOffered
from sembench.figures.concepts import concepts
from sembench.figures.embedding import Cloud, cloud, embedding, marks, placed
from sembench.figures.looks_like import chosen, looks_like
from sembench.figures.picture import Picture
from sembench.figures.projection import Projected
from sembench.figures.prototypes import prototypes
from sembench.figures.relevance import relevance_maps
from sembench.figures.subject import Subject
from sembench.types import Capability, Explanation, Prototypes


def words(picture):
    return [text.get_text() for text in picture.findobj(Text) if text.get_text().strip()]


def prose(picture):
    return " ".join(" ".join(words(picture)).split())


def images(picture):
    """Pixels by label."""
    return {image.get_gid(): np.asarray(image.get_array()) for image in picture.findobj(AxesImage)}


def places(picture):
    """Left and upper edge by label, inches."""
    return {image.get_gid(): (image.get_extent()[0], image.get_extent()[3]) for image in picture.findobj(AxesImage)}


@pytest.fixture
def pictures(subject, models):
    quarters = subject()
    return {
        "prototypes": lambda: prototypes([quarters, subject(models["cell"], "cells")]),
        "looks-like": lambda: looks_like(quarters, right=2, wrong=2),
        "relevance": lambda: relevance_maps([quarters, subject(models["attributions"], "other")]),
        "concepts": lambda: concepts(subject(models["cell"], "cells")),
        "embedding": lambda: embedding([quarters], count=6, method="pca"),
    }


NAMES = ("prototypes", "looks-like", "relevance", "concepts", "embedding")


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_whatever_the_users_settings_and_no_setting_changes(pictures, name, global_streams):
    first = [pictures[name]().rendered(form) for form in ("png", "svg")]
    with matplotlib.rc_context({"font.family": "monospace", "svg.fonttype": "none", "image.cmap": "jet"}):
        before = dict(matplotlib.rcParams)
        with global_streams():
            assert [pictures[name]().rendered(form) for form in ("png", "svg")] == first
        assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", NAMES)
def test_png_and_svg_are_whole_and_carry_no_date(pictures, name, tmp_path):
    paths = pictures[name]().write_files(tmp_path / "deep", name)
    assert [path.name for path in paths] == [f"{name}.png", f"{name}.svg"]
    assert "Software" not in Image.open(io.BytesIO(paths[0].read_bytes())).info
    ET.fromstring(paths[1].read_bytes())
    assert b"<dc:date>" not in paths[1].read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_no_words_leave_the_page(pictures, name):
    picture = pictures[name]()
    picture.draw_without_rendering()
    renderer, page = picture._get_renderer(), picture.bbox
    boxes = {text.get_text(): text.get_window_extent(renderer) for text in picture.findobj(Text) if text.get_text()}
    outside = [t for t, b in boxes.items() if b.x0 < page.x0 or b.x1 > page.x1 or b.y0 < page.y0 or b.y1 > page.y1]
    assert outside == []


def test_a_notebook_shows_a_picture():
    picture = Picture(1, 1, "title", ["caption"])
    assert picture._repr_png_()[:4] == b"\x89PNG"


def test_prototypes_show_the_nearest_image_counts_and_ghosts(subject):
    picture = prototypes([subject()], nearest=1)
    assert {"0: 3", "1: 2", "2: 1", "3: ghost", "left", "right", "4 prototypes, 1 ghosted"} <= set(words(picture))
    shown = images(picture)
    assert set(shown) == {f"quarters-{p}-nearest-{i}" for p, i in enumerate([0, 1, 3, 1])}
    assert shown["quarters-0-nearest-0"][0, 0].tolist() == [1, 1, 1]
    assert shown["quarters-0-nearest-0"][-1, -1].tolist() == [0.25] * 3
    where = places(picture)
    assert where["quarters-0-nearest-0"][1] == where["quarters-2-nearest-3"][1]  # one class, one row
    assert where["quarters-0-nearest-0"][1] < where["quarters-1-nearest-1"][1]


def test_two_explainers_stand_side_by_side(subject):
    where = places(prototypes([subject(name="a"), subject(name="b")]))
    assert where["a-0-nearest-0"][1] == where["b-0-nearest-0"][1]
    assert where["a-2-nearest-3"][0] < where["b-0-nearest-0"][0]


def test_decoded_images_and_origins_are_shown_where_they_are_offered(subject, models):
    class Decodes(models["image"]):
        def decode(self, vectors):
            return torch.zeros(len(vectors), 3, 8, 8)  # the mean colour, once normalised

        def prototype_origins(self):
            return torch.tensor([[4, 0, 0], [5, 0, 0], [3, 0, 0], [-1, -1, -1]])

    picture = prototypes([subject(Decodes)], nearest=1)
    labels = set(images(picture))
    assert {"quarters-0-decoded", "quarters-0-origin-4", "quarters-1-origin-5"} <= labels
    assert not any(label.startswith("quarters-3-origin") for label in labels)
    mean = subject().dataset.train.normalisation.mean[0]
    assert images(picture)["quarters-0-decoded"][0, 0, 0] == pytest.approx(mean)
    assert "as the model decodes it" in prose(picture)


def test_wrong_predictions_are_marked_in_words(subject, models):
    class SaysRight(models["image"]):
        def forward(self, images):
            found = super().forward(images)
            scores = torch.tensor([0.0, 1.0]).expand(len(images), 2)
            return type(found)(scores, found.similarities, embeddings=found.embeddings)

    said = words(looks_like(subject(SaysRight), right=1, wrong=1))
    assert "right\nsays right" in said
    assert "WRONG\nsays right\nis left" in said
    assert not any("WRONG" in text for text in words(looks_like(subject(), right=2, wrong=2)))


def test_classes_take_turns_among_wrong_predictions_as_among_right_ones(models, network, dataset):
    class SwapsClasses(models["image"]):
        def forward(self, images):
            found = super().forward(images)
            return type(found)(found.class_scores.flip(1), found.similarities, embeddings=found.embeddings)

    order = [0, 2, 1, 3]  # classes 0, 0, 1, 1
    test = dataclasses.replace(dataset.test, pixels=dataset.test.pixels[order], labels=dataset.test.labels[order])
    ordered = dataclasses.replace(dataset, test=test)
    right, wrong = (
        Subject("quarters", model(network).eval(), network, ordered, frozenset(Capability), {})
        for model in (models["image"], SwapsClasses)
    )
    for count, expected in [(1, [0]), (2, [0, 2]), (3, [0, 1, 2]), (9, [0, 1, 2, 3])]:
        assert chosen(right, count, 5).tolist() == expected
        assert chosen(wrong, 5, count).tolist() == expected


def test_the_caption_tells_how_images_were_chosen(subject):
    told = "first of the test set that are classified rightly, and the first that are not, true classes taking turns"
    assert told in prose(looks_like(subject(), right=2, wrong=2))
    assert told not in prose(looks_like(subject(), images=[0]))


def test_each_prototype_has_its_own_map_on_the_image(subject):
    picture = looks_like(subject(), images=[0], count=2)
    shown = images(picture)
    first, second = shown["test-0-prototype-0"], shown["test-0-prototype-1"]

    def orange(pixels):
        return pixels[..., 0] - pixels[..., 2] > 0.3

    assert orange(first)[:4, :4].all()
    assert not orange(first)[:4, 4:].any()
    assert orange(second)[:4, 4:].all()
    assert not orange(second)[:4, :4].any()
    assert any("maps differ by 1.00" in text for text in words(picture))


def test_similarities_stand_below(subject):
    similarity = float(subject().explain(subject().dataset.test.batch(torch.tensor([0]))).similarities[0, 0])
    assert f"left, prototype 0\nsimilarity {similarity:.3g}" in words(looks_like(subject(), images=[0], count=1))


def test_a_model_without_prototype_relevance_is_shown_without_maps_and_says_so(subject, models):
    class NoMaps(models["image"]):
        def attribute_prototypes(self, images, prototypes):
            raise NotOffered("it is a lookup table")

    picture = looks_like(subject(NoMaps), images=[0], count=1)
    assert not any("test-0-prototype" in label for label in images(picture))
    assert "No prototype map: it is a lookup table. The class map, which is not of a single" in prose(picture)
    assert "its prototype map: where the image is like this prototype" not in prose(picture)
    assert "its prototype map: where the image is like this prototype" in prose(looks_like(subject(), images=[0]))


def test_class_maps_are_shown_and_a_prototype_map_that_stands_in_is_called_so(subject, models):
    class NoClassMap(models["image"]):
        def attribute(self, images, targets=None):
            raise NotOffered("it has no relevance of classes")

    picture = relevance_maps([subject(name="own"), subject(NoClassMap, "other")], images=[1])
    assert "Class maps on quarters" in words(picture)
    stands_in = "the model has no relevance of classes: that of the most similar prototype stands in."
    assert f"other: {stands_in}" in prose(picture)
    assert prose(picture).count(stands_in) == 1
    (means,) = (text for text in words(picture) if text.endswith("prototype maps"))
    assert means.startswith("mean KL")
    shown = images(picture)
    np.testing.assert_array_equal(shown["other-0"], shown["own-0"])  # in this model the two maps are the same


def test_a_kl_of_zero_below_a_map_that_is_the_black_boxs_own(subject, models):
    from sembench.relevance.propagation import black_box_relevance

    class Same(models["image"]):
        def attribute(self, images, targets=None):
            return black_box_relevance(self.backbone, images)

    said = words(relevance_maps([subject(Same), subject(name="other")], images=[0, 1]))
    assert any(text.startswith("0 (") for text in said)
    assert any(text.startswith("mean KL 0\n") for text in said)


def test_the_black_box_has_one_row_among_explainers_and_alone(subject):
    class Reference(Subject):
        is_reference = True

    own = subject(name="own")
    given = {field.name: getattr(own, field.name) for field in dataclasses.fields(own)}
    black_box = Reference(**{**given, "name": "blackbox"})
    said = words(relevance_maps([black_box, own], images=[0]))
    assert "blackbox" not in said
    assert {"black box", "own"} <= set(said)
    assert "black box" in words(relevance_maps([black_box], images=[0]))


def test_numbers_of_concepts_do_not_lie_on_each_other(subject, models):
    class Fine(models["cell"]):
        """Sixteen by sixteen cells, every one with a concept of its own but for one large segment."""

        @property
        def prototypes(self):
            return Prototypes(torch.arange(256.0)[:, None], torch.zeros(256, dtype=torch.int64))

        def forward(self, images):
            maps = torch.eye(256).view(1, 256, 16, 16).repeat(len(images), 1, 1, 1)
            maps[:, 0, :8] = 2
            return Explanation(torch.tensor([[1.0, 0]]).repeat(len(images), 1), maps.amax((2, 3)), maps,
                               torch.zeros(len(images), 1, 16, 16))  # fmt: skip

    picture = concepts(subject(Fine), images=[0])
    extent = next(i.get_extent() for i in picture.findobj(AxesImage) if i.get_gid() == "concepts-0")
    numbers = [text for text in picture.findobj(Text) if text.get_text().isdigit()]
    places = [text.get_position() for text in numbers]
    inside = [number for number, (x, y) in zip(numbers, places, strict=True)
              if extent[0] <= x <= extent[1] and extent[3] <= y <= extent[2]]  # fmt: skip
    assert "0" in {text.get_text() for text in inside}
    assert 1 < len(inside) < 128
    FigureCanvasAgg(picture)
    boxes = [text.get_window_extent() for text in inside]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_rectangles_find_places_inside_the_square_where_nothing_lies():
    rng = np.random.default_rng(0)
    centres, sizes = rng.uniform(0, 3, (20, 2)), np.stack([rng.uniform(0.4, 0.9, 20), np.full(20, 0.17)], 1)
    taken, taken_sizes = rng.uniform(0, 3.3, (30, 2)), np.full((30, 2), 0.13)
    ends = placed(centres, sizes, 3.3, taken, taken_sizes)
    everything, all_sizes = np.concatenate([ends, taken]), np.concatenate([sizes, taken_sizes])
    overlap = (sizes[:, None] + all_sizes) / 2 - np.abs(ends[:, None] - everything)
    assert not ((overlap > 1e-6).all(2) & ~np.eye(20, 50, dtype=bool)).any()
    assert (ends - sizes / 2 >= -1e-9).all()
    assert (ends + sizes / 2 <= 3.3 + 1e-9).all()


def test_a_rectangle_stays_where_nothing_lies_and_goes_the_shortest_way_otherwise():
    nothing = np.empty((0, 2))
    far = np.array([[0.5, 0.5], [2.0, 2.0]])
    assert (placed(far, np.full((2, 2), 0.4), 3, nothing, nothing) == far).all()
    first, second = placed(np.ones((2, 2)), np.tile([0.8, 0.2], (2, 1)), 3, nothing, nothing)
    assert first.tolist() == [1, 1]
    assert abs(second - first) == pytest.approx([0, 0.2], abs=0.05)


def test_in_a_full_square_the_place_with_the_least_overlap_is_taken():
    left, right = [0.5, 1.0], [1.5, 1.0]
    taken = np.array([left, left, right])
    (end,) = placed(np.array([[0.5, 0.5]]), np.array([[1.0, 0.4]]), 2, taken, np.tile([1.0, 2.0], (3, 1)))
    assert end == pytest.approx([1.5, 0.5], abs=0.03)


def test_explanation_maps_have_the_colour_of_each_cells_concept(subject, models):
    picture = concepts(subject(models["cell"], "cells"), images=[0, 3])
    shown = images(picture)
    first = shown["concepts-0"]
    assert first.shape == (2, 2, 3)
    assert (first[0, 0] != first[1, 1]).any()
    assert (first[0, 1] == first[1, 0]).all()
    assert (shown["concepts-3"][1, 1] == first[0, 0]).all()  # the bright quarter, in the same colour
    assert {"0", "1"} <= set(words(picture))
    assert {"concept-0", "concept-1"} <= set(shown)


def test_a_long_legend_keeps_the_concepts_with_most_cells(subject, models, monkeypatch):
    """Of four cells of an image, one is bright and shows concept 0, three are dark and show concept 1."""
    monkeypatch.setattr("sembench.figures.concepts._MOST", 1)
    picture = concepts(subject(models["cell"], "cells"), images=[0, 3])
    assert [label for label in images(picture) if label.startswith("concept-")] == ["concept-1"]
    assert "the 1 with most cells in these images, of 2;" in " ".join(" ".join(words(picture)).split())


def test_whole_images_have_no_concepts(subject):
    with pytest.raises(NotOffered, match="compares whole images"):
        concepts(subject())


def scaled(models, scale):
    class Scaled(models["image"]):
        @property
        def prototypes(self):
            own = super().prototypes
            return type(own)(scale * own.vectors, own.classes)

    return Scaled


RAW_AND_RESCALED = {"quarters, raw", "quarters, rescaled to the norm of the class"}


@pytest.mark.parametrize("scale", [100, 0.01])
def test_prototypes_of_another_scale_are_shown_raw_and_rescaled(subject, models, scale):
    assert set(words(embedding([subject(scaled(models, scale))], count=6, method="pca"))) >= RAW_AND_RESCALED


@pytest.fixture
def alike(subject):
    """The factor that gives prototypes the scale of the embeddings."""
    return float(cloud(subject(), 6).norms().mean())


def test_prototypes_of_the_same_scale_are_shown_once(subject, models, alike):
    said = words(embedding([subject(scaled(models, alike))], count=6, method="pca"))
    assert not RAW_AND_RESCALED & set(said)
    assert said.count("quarters") == 2  # above the panel, and in its legend


@pytest.fixture
def projected(monkeypatch):
    """What projections were fitted to, and what they were applied to."""
    seen = []

    def project(points, others, **options):
        seen.append((points, others))
        return Projected(points[:, :2], others[:, :2], "by two channels")

    monkeypatch.setattr("sembench.figures.embedding.project", project)
    return seen


def test_explainers_that_share_an_embedding_share_projection_and_panel(subject, models, projected, alike):
    one, far, other = (
        subject(scaled(models, alike), "a"),
        subject(scaled(models, 100), "b"),
        subject(models["shifted"], "c"),
    )
    picture = embedding([far, one, other], count=6)
    assert [axes.get_gid() for axes in picture.axes if axes.get_gid()] == ["b, a", "c"]
    (points, others), (elsewhere, own) = projected
    own_cloud, far_cloud = cloud(one, 6), cloud(far, 6)
    np.testing.assert_array_equal(points, own_cloud.points)  # fitted to the embeddings alone
    np.testing.assert_array_equal(
        others, np.concatenate([far_cloud.prototypes, far_cloud.rescaled(), own_cloud.prototypes])
    )
    np.testing.assert_array_equal(elsewhere, cloud(other, 6).points)
    np.testing.assert_array_equal(own[:4], cloud(other, 6).prototypes)
    assert "by two channels, fitted to 6 embeddings" in words(picture)


def test_everything_in_one_panel_has_a_symbol_of_its_own(subject, models, alike):
    found = [
        (name, cloud(subject(scaled(models, by)), 6)) for name, by in zip("abcd", (9, 9, alike, alike), strict=True)
    ]
    shown = marks(found)
    assert [one.title.partition(",")[0] for one in shown] == ["a", "a", "b", "b", "c", "d"]
    assert [one.symbol for one in shown][:2] == ["x", "^"]  # as in [C] Fig. 2
    assert shown[4].symbol == "s"
    assert len({one.symbol for one in shown}) == 6


def test_rescaled_prototypes_have_the_mean_norm_of_their_class():
    found = Cloud(np.array([[3.0, 4], [0, 1], [8, 6]]), np.array([0, 1, 0]), np.array([[0.0, 2], [5, 0], [0, 0]]),
                  np.array([0, 1, -1]))  # fmt: skip
    assert found.norms().tolist() == pytest.approx([7.5, 1, 16 / 3])
    assert found.rescaled().tolist() == [[0, 7.5], [1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda s: prototypes([s], nearest=0), "nearest is 0; at least 1"),
        (lambda s: prototypes([s], classes=[7]), r"classes names \[7\]; labels of this data set run from 0 to 1"),
        (lambda s: looks_like(s, images=[9]), "test images are numbered 0 to 3"),
        (lambda s: looks_like(s, count=0), "count is 0; at least 1 prototype"),
        (lambda s: relevance_maps([s], images=[4]), "test images are numbered 0 to 3"),
        (lambda s: embedding([s], count=2), "at least 3 points"),
        (lambda s: embedding([s], count=6, method="tsne"), "accepted are 'umap' and 'pca'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(subject, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(subject())


def test_a_reason_stays_within_the_width_that_it_has():
    picture = Picture(4, 1, "title", [])
    picture.write(0, 0, "a reason of many words " * 9, within=3)
    picture.write(0, 0, "a reason of many words " * 9)
    first, second = picture.canvas_axes.texts[-2:]
    assert max(map(len, first.get_text().splitlines())) <= 3 / 0.06
    assert "\n" not in second.get_text()
