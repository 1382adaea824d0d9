"""Images and labels in memory: right in every form in which they are meant, refused with what to do in all others."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sembench.data.arrays import checked_labels, checked_pixels
from sembench.data.dataset import make_dataset
from sembench.errors import DataDamaged, SuiteInvalid

BYTES = torch.arange(2 * 3 * 5 * 4).reshape(2, 3, 5, 4).to(torch.uint8) * 2
FLOATS = BYTES / 255


def made(pixels, labels=(0, 1), classes=("a", "b"), image_size=5):
    part = pixels, labels
    return make_dataset("mine", classes, train=part, test=part, image_size=image_size, licence="none", source="here")


FORMS = {
    "bytes": lambda: BYTES,
    "array": lambda: BYTES.numpy(),
    "read-only array": lambda: np.broadcast_to(BYTES.numpy(), BYTES.shape),
    "reversed twice": lambda: BYTES.numpy()[::-1].copy()[::-1],
    "list": lambda: FLOATS.tolist(),
    "floats": lambda: FLOATS,
    "doubles": lambda: FLOATS.double(),
    "big-endian": lambda: FLOATS.numpy().astype(">f8"),
    "half": lambda: FLOATS.half(),
    "bfloat16": lambda: FLOATS.bfloat16(),
    "in a graph": lambda: FLOATS.clone().requires_grad_(),
    "channels last in memory": lambda: FLOATS.contiguous(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_images_is_the_same_data_set(form):
    expected, found = made(BYTES), made(FORMS[form]())
    tolerance = {"half": 1e-3, "bfloat16": 4e-3}.get(form, 1e-6)
    picks = torch.arange(2)
    torch.testing.assert_close(found.train.load(picks), expected.train.load(picks), rtol=0, atol=tolerance)
    assert len(found.sha256) == 64


LABELS = [0, 1, 2, 1]


@pytest.mark.parametrize(
    "labels",
    [LABELS, tuple(LABELS), np.array(LABELS), np.array(LABELS, np.uint8), np.array(LABELS, ">i4"), torch.tensor(LABELS),
     torch.tensor(LABELS, dtype=torch.uint8), [np.int64(label) for label in LABELS], list(torch.tensor(LABELS))],
)  # fmt: skip
def test_every_form_of_the_same_labels(labels):
    found = checked_labels(labels, "here", 3)
    assert found.dtype == torch.int64
    assert found.tolist() == LABELS


def test_truth_values_are_two_classes():
    assert checked_labels(np.array([True, False]), "here", 2).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (FLOATS * 255, r"are float32 from 0 to 238: divide them by 255"),
        (FLOATS * 2, r"from 0 to 1\.867: divide them by the value of white"),
        (FLOATS * 30, r"from 0 to 28: divide them by 255"),
        (FLOATS.double() * 65535, r"divide them by the value of white"),
        (FLOATS * 2 - 1, r"from -1 to 0\.8.*: give \(images \+ 1\) / 2"),
        ((FLOATS - 0.45) / 0.22, r"before they were normalised"),
        (BYTES.long(), r"are int64: give images.to\(torch.uint8\)"),
        (BYTES.to(torch.int8), r"are int8: give"),
        (BYTES.tolist(), r"are int64: give"),
        (BYTES.numpy().astype(np.uint16), r"are uint16: give"),
        (BYTES > 99, r"are bool: give images.float\(\)"),
        (torch.where(FLOATS > 0.5, torch.nan, FLOATS), r"hold \d+ values that are not finite"),
        (torch.where(FLOATS > 0.5, torch.inf, FLOATS), r"hold \d+ values that are not finite"),
        (BYTES.permute(0, 2, 3, 1), r"have shape \(2, 5, 4, 3\), channels last: give images.permute\(0, 3, 1, 2\)"),
        (BYTES[:, :1].permute(0, 2, 3, 1), r"channels last"),
        (BYTES[:, [0, 1, 2, 0]], r"have shape \(2, 4, 5, 4\), 4 channels: lay the fourth on a ground"),
        (BYTES.permute(0, 2, 3, 1)[..., [0, 1, 2, 0]].contiguous(), r"4 channels: lay"),
        (BYTES[:, :2], r"2 channels: choose one or three"),
        (BYTES[:, 0], r"have shape \(2, 5, 4\), without channels: give images\[:, None\]"),
        (BYTES[0, 0], r"have shape \(5, 4\)"),
        (BYTES[..., :0], r"have shape \(2, 3, 5, 0\)"),
    ],
)
def test_other_images_are_refused_with_what_to_do(pixels, message):
    with pytest.raises(
        DataDamaged, match=rf"mine: the training split: the images .*{message}.*accepted are \(N, 1 or 3"
    ):
        made(pixels)


@pytest.mark.parametrize(
    "pixels",
    [[[1, 2], [3]], ["a"], None, object(), FLOATS.to_sparse(), FLOATS.to("meta"), np.array([None, 1]), {"images": 1}],
)
def test_what_is_no_array_is_refused(pixels):
    with pytest.raises(DataDamaged, match="images"):
        made(pixels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.eye(2), r"labels have shape \(2, 2\).*labels.argmax\(1\)"),
        (torch.tensor([[0], [1]]), r"labels have shape \(2, 1\).*labels.flatten\(\)"),
        (torch.tensor(1), r"labels have shape \(\)"),
        (torch.tensor([0.0, 1.0]), r"labels are float32; accepted are integers from 0 to 1.*labels.long\(\)"),
        (["a", "b"], "labels cannot be made a tensor"),
        (torch.tensor([1, 2]), r"labels run from 1 to 2, but there are 2 classes.*give labels - 1"),
        (torch.tensor([-1, 1]), r"labels run from -1 to 1, but there are 2 classes"),
        (torch.tensor([0]), r" has 2 images and 1 labels"),
    ],
)
def test_other_labels_are_refused_with_what_to_do(labels, message):
    with pytest.raises(DataDamaged, match=f"mine: the training split.*{message}"):
        made(BYTES, labels)


@pytest.mark.parametrize("classes", [("a", "a"), (0, 1), ("a", None)])
def test_names_of_classes_are_different_texts(classes):
    with pytest.raises(DataDamaged, match="names of classes must be different texts"):
        made(BYTES, classes=classes)


@pytest.mark.parametrize("classes", [4, None, "ab"])
def test_classes_that_are_no_list_of_names_are_refused(classes):
    with pytest.raises(DataDamaged, match=f"mine: the classes are {classes!r}; give a list of their names"):
        made(BYTES, classes=classes)


@pytest.mark.parametrize("size", [0, -3, 16.0, "16", None, True])
def test_a_size_that_is_no_number_of_pixels_is_refused(size):
    with pytest.raises(SuiteInvalid, match=f"mine: image_size is {size!r}; a whole number of pixels"):
        made(BYTES, image_size=size)


def test_a_size_of_numpy_is_the_same_data_set():
    assert made(BYTES, image_size=np.int64(5)).sha256 == made(BYTES).sha256


@pytest.mark.parametrize(
    ("pixels", "said"),
    [((BYTES > 99).to(torch.uint8), "0.0039"), (FLOATS / 255, "0.0037"), (BYTES // 10, "0.09"), (FLOATS / 9, None),
     (BYTES // 9, None), (BYTES, None), (FLOATS, None)],
)  # fmt: skip
def test_images_that_are_nearly_black_are_noted_in_each_split(pixels, said):
    notes = [
        f"The {split} split of mine has no pixel that is brighter than {said} of" for split in ("training", "test")
    ]
    found = made(pixels).notes
    assert len(found) == (2 if said else 0)
    assert all(note.startswith(start) for note, start in zip(found, notes, strict=False))


@given(arrays.arrays(st.sampled_from([np.float32, np.float64, np.uint8, np.int32, np.int64, np.bool_]),
                     arrays.array_shapes(min_dims=1, max_dims=5, max_side=4)))  # fmt: skip
def test_what_is_accepted_is_in_range_and_all_else_is_damage(values):
    try:
        found = checked_pixels(values, "here")
    except DataDamaged:
        return
    assert found.ndim == 4
    assert found.shape[1] in (1, 3)
    scaled = found / 255 if found.dtype == torch.uint8 else found
    assert scaled.min() >= -1e-3
    assert scaled.max() <= 1 + 1e-3
    np.testing.assert_array_equal(found.numpy(), values)
