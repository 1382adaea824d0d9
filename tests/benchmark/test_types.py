from fractions import Fraction

import pytest
import torch

from sembench.errors import ContractBroken
from sembench.types import (
    SHARED,
    Batch,
    Explanation,
    Prototypes,
    as_points,
    check_explanation,
    check_finite,
    check_shape,
    in_pixels,
    of_class,
)

PROTOTYPES = Prototypes(torch.zeros(4, 2), torch.tensor([0, 0, 1, SHARED]))


def make_explanation(**changes):
    """Of three images by four prototypes and two classes."""
    parts = {"class_scores": torch.tensor([[0.2, 0.8], [0.5, 0.5], [3.0, -1.0]]), "similarities": torch.zeros(3, 4)}
    return Explanation(**(parts | changes))


def check(explanation):
    check_explanation(explanation, 3, 2, PROTOTYPES, "somebody")


def test_a_batch_is_as_long_as_its_labels_and_moves_as_a_whole():
    batch = Batch(torch.zeros(3, 3, 2, 2), torch.tensor([1, 0, 2]), torch.tensor([7, 8, 9]))
    assert len(batch) == 3
    moved = batch.to("meta")
    assert {part.device.type for part in (moved.images, moved.labels, moved.indices)} == {"meta"}
    assert batch.images.device.type == "cpu"


def test_prototypes_are_as_many_as_their_classes():
    assert len(PROTOTYPES) == 4
    assert len(Prototypes(torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64))) == 0


def test_predictions_are_the_first_of_the_largest_scores():
    assert make_explanation().predictions.tolist() == [1, 0, 0]


def test_a_decision_of_the_models_own_goes_before_the_scores():
    assert make_explanation(decisions=torch.tensor([0, 1, 1])).predictions.tolist() == [0, 1, 1]


def test_rows_are_points_already():
    rows = torch.arange(6.0).view(3, 2)
    assert torch.equal(as_points(rows), rows)


def test_cells_of_an_image_become_neighbouring_points_row_by_row():
    maps = torch.arange(2 * 3 * 2 * 2).view(2, 3, 2, 2)
    points = as_points(maps)
    assert points.shape == (8, 3)
    expected = [maps[image, :, y, x].tolist() for image in range(2) for y in range(2) for x in range(2)]
    assert points.tolist() == expected


def test_a_sound_explanation_passes():
    check(make_explanation())
    check(make_explanation(similarity_maps=torch.zeros(3, 4, 5, 6), decisions=torch.tensor([0, 1, 1])))


@pytest.mark.parametrize(
    ("part", "shape", "expected"),
    [
        ("class_scores", (3, 3), r"\(3, 2\)"),
        ("class_scores", (2, 2), r"\(3, 2\)"),
        ("similarities", (3, 5), r"\(3, 4\)"),
        ("similarities", (4, 3), r"\(3, 4\)"),
        ("similarity_maps", (3, 5, 2, 2), r"\(3, 4, 2, 2\)"),
        ("similarity_maps", (2, 4, 2, 2), r"\(3, 4, 2, 2\)"),
        ("similarity_maps", (3, 4), r"\(3, 4, 3, 4\)"),
    ],
)
def test_a_part_of_a_wrong_shape_is_named_with_the_shape_expected(part, shape, expected):
    with pytest.raises(ContractBroken, match=rf"somebody: {part} has shape .*, expected {expected}"):
        check(make_explanation(**{part: torch.zeros(shape)}))


@pytest.mark.parametrize("shape", [(2,), (3, 2), ()])
def test_decisions_of_a_wrong_shape_are_named(shape):
    with pytest.raises(ContractBroken, match=r"somebody: predictions has shape .*, expected \(3,\)"):
        check(make_explanation(decisions=torch.zeros(shape, dtype=torch.int64)))


@pytest.mark.parametrize("decisions", [[0, 1, 2], [-1, 0, 0], [0.0, 1.0, 1.0]])
def test_decisions_that_are_no_classes_are_refused(decisions):
    with pytest.raises(ContractBroken, match=r"somebody: decisions are \[.*integers from 0 to 1"):
        check(make_explanation(decisions=torch.tensor(decisions)))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize(
    ("part", "shape"), [("class_scores", (3, 2)), ("similarities", (3, 4)), ("similarity_maps", (3, 4, 2, 2))]
)
def test_a_part_that_is_not_finite_is_named(part, shape, value):
    tensor = torch.zeros(shape)
    tensor.view(-1)[-1] = value
    with pytest.raises(ContractBroken, match=f"somebody: {part} holds NaN or infinite values"):
        check(make_explanation(**{part: tensor}))


def test_the_share_of_values_that_are_not_finite_is_told():
    with pytest.raises(ContractBroken, match=r"who: thing holds NaN or infinite values \(25.0% of \(4,\)\)"):
        check_finite("thing", torch.tensor([0.0, 1.0, torch.nan, 2.0]), "who")


def test_finite_values_and_no_values_pass():
    check_finite("thing", torch.tensor([0.0, -1e30]), "who")
    check_finite("thing", torch.zeros(0), "who")


def test_a_shape_must_be_met_exactly():
    check_shape("thing", torch.zeros(2, 3), (2, 3), "who")
    with pytest.raises(ContractBroken, match=r"who: thing has shape \(2, 3\), expected \(2, 3, 1\)"):
        check_shape("thing", torch.zeros(2, 3), (2, 3, 1), "who")


def test_a_shared_prototype_belongs_to_every_class():
    found = of_class(torch.tensor([0, 1]), torch.tensor([0, 1, -1]))
    assert found.tolist() == [[True, False, True], [False, True, True]]


@pytest.mark.parametrize(
    ("cells", "pixels"), [((2, 2), (4, 2)), ((7, 3), (33, 96)), ((9, 1), (9, 5)), ((4, 6), (3, 4))]
)
def test_a_pixel_has_the_value_of_the_cell_that_its_centre_lies_in(cells, pixels):
    values = torch.randn(3, 2, *cells, generator=torch.Generator().manual_seed(0))
    found = in_pixels(values, pixels)
    assert found.shape == (3, 2, *pixels)
    for y in range(pixels[0]):
        for x in range(pixels[1]):
            row, column = (int((i + Fraction(1, 2)) * k / n) for i, k, n in zip((y, x), cells, pixels, strict=True))
            assert torch.equal(found[:, :, y, x], values[:, :, row, column])
