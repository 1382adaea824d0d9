"""Heat, colours and projections: the parts of figures that are computed."""

import dataclasses
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from sembench.figures import projection
from sembench.figures.colours import class_colour, ink_on, prototype_colours
from sembench.figures.overlay import difference, overlay, stretched
from sembench.figures.projection import principal_components, project


def test_heat_is_orange_for_and_blue_against_and_pale_where_nothing_is_relevant():
    relevance = np.zeros((4, 4))
    relevance[0, 0], relevance[3, 3] = 2.0, -2.0
    heat = overlay(np.zeros((4, 4, 3), dtype=np.float32), relevance)
    assert heat[0, 0, 0] > 2 * heat[0, 0, 2]
    assert heat[3, 3, 2] > 2 * heat[3, 3, 0]
    assert heat[1, 1].tolist() == pytest.approx([0.62] * 3)


def test_a_map_without_relevance_leaves_the_image_pale():
    image = np.random.default_rng(0).random((3, 3, 3)).astype(np.float32)
    assert overlay(image, np.zeros((3, 3))) == pytest.approx(0.62 + 0.38 * image.mean(2, keepdims=True).repeat(3, 2))


def test_heat_does_not_depend_on_the_scale_of_relevance():
    image, relevance = np.ones((5, 5, 3), np.float32), np.random.default_rng(0).normal(size=(5, 5))
    assert overlay(image, relevance) == pytest.approx(overlay(image, 1e6 * relevance))


def test_maps_differ_by_the_share_of_relevance_that_lies_elsewhere():
    a, b = np.array([[1.0, 0], [0, 0]]), np.array([[0.0, -1], [0, 0]])
    assert difference(a, 3 * a) == 0
    assert difference(a, b) == 1
    assert difference(a, a + b) == 0.5
    assert difference(a, 0 * a) == 1
    assert difference(0 * a, 0 * a) == 0


def test_classes_have_one_hue_and_prototypes_of_one_class_different_shades():
    colours = prototype_colours(torch.tensor([0, 0, 0, 1, -1]))
    assert len(set(colours)) == 5
    assert colours[3] != class_colour(0)
    assert sum(colours[0]) < sum(colours[1]) < sum(colours[2])
    assert class_colour(-1) == (0, 0, 0)
    assert class_colour(3) == class_colour(13)


def test_numbers_are_legible_on_any_colour():
    assert ink_on((1, 1, 1)) == "black"
    assert ink_on((0, 0, 0.4)) == "white"


def test_principal_components_of_a_flat_cloud_are_its_axes():
    rng = np.random.default_rng(0)
    points = np.zeros((200, 5))
    points[:, 3], points[:, 1] = rng.normal(0, 10, 200), rng.normal(0, 3, 200)
    others = np.eye(5)
    found = principal_components(points, others)
    centred = points - points.mean(0)
    assert abs(np.corrcoef(found.points[:, 0], centred[:, 3])[0, 1]) > 0.999
    assert np.linalg.norm(found.points, axis=1) == pytest.approx(np.linalg.norm(centred, axis=1))
    moved = found.others[3] - found.others[0]
    assert np.linalg.norm(moved) == pytest.approx(1, abs=1e-2)
    assert found.method == "PCA, 100% of the variance"


def test_signs_are_fixed_and_one_channel_gives_a_line():
    points = np.random.default_rng(1).normal(size=(50, 4))
    assert principal_components(points, points).points == pytest.approx(
        principal_components(points[::-1], points).points[::-1]
    )
    line = principal_components(np.array([[1.0], [2], [6]]), np.array([[3.0]]))
    assert line.points.tolist() == pytest.approx(np.array([[-2.0, 0], [-1, 0], [3, 0]]))
    assert line.others.tolist() == pytest.approx(np.array([[0.0, 0]]))


def test_umap_is_taken_where_it_is_installed(monkeypatch):
    class Reducer:
        def __init__(self, random_state, n_jobs):
            assert isinstance(random_state, int)

        def fit(self, points):
            self.embedding_ = points[:, :2]
            return self

        def transform(self, points):
            return points[:, 2:4]

    umap = ModuleType("umap")
    umap.UMAP = Reducer
    monkeypatch.setitem(sys.modules, "umap", umap)
    monkeypatch.setattr(projection.importlib.util, "find_spec", lambda name: name == "umap")
    points = np.random.default_rng(0).normal(size=(6, 4))
    found = project(points, points)
    assert found.method == "UMAP"
    assert found.points.tolist() == points[:, :2].tolist()
    assert found.others.tolist() == points[:, 2:].tolist()
    assert project(points, points, method="pca").method.startswith("PCA")


def test_umap_that_is_not_there_is_refused_and_pca_takes_its_place(monkeypatch):
    monkeypatch.setattr(projection.importlib.util, "find_spec", lambda name: None)
    points = np.random.default_rng(0).normal(size=(6, 4))
    assert project(points, points).method.startswith("PCA")
    with pytest.raises(ValueError, match="UMAP is not installed"):
        project(points, points, method="umap")


def test_a_map_is_stretched_between_its_ends_unless_only_rounding_tells_them_apart():
    assert stretched(np.array([[-1.0, 1.0], [3.0, 0.0]])).tolist() == [[0, 0.5], [1, 0.25]]
    assert stretched(np.array([[9.8, np.nextafter(np.float32(9.8), np.float32(10))]])).tolist() == [[0.5, 0.5]]
    assert stretched(np.zeros((1, 2))).tolist() == [[0.5, 0.5]]


def test_names_of_classes_are_shown_without_numbers_and_cut_where_they_are_long(subject):
    one = subject()
    names = ("109.American_Redstart", "7", "3.", "cat")
    shown = dataclasses.replace(one, dataset=dataclasses.replace(one.dataset, classes=names))
    assert [shown.class_name(label) for label in range(4)] == ["American Redstart", "7", "3.", "cat"]
    assert shown.class_name(0, 12) == "American Re…"
    assert shown.class_name(-1) == "shared"
