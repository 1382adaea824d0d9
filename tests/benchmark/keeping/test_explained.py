"""New images are prepared as the data set's own, whatever they come as, and explained in words, JSON and pictures."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from sembench.data.dataset import make_dataset
from sembench.data.image_files import ImageFiles
from sembench.errors import DataDamaged
from sembench.types import Capability
from sembench.workbench import Workbench


@pytest.fixture(scope="module")
def stored(bench):
    """A test image as it is stored: grey, uint8, 8 x 8."""
    return (bench.dataset.test.pixels[3] * 255).round().to(torch.uint8)


def forms(stored, tmp_path):
    file = tmp_path / "three.png"
    Image.fromarray(stored[0].numpy()).save(file)
    colours = stored.expand(3, -1, -1)
    last = colours.permute(1, 2, 0).numpy()
    return {
        "path": file, "name": str(file), "Pillow": Image.open(file), "grey array": stored[0].numpy(),
        "array of one channel": stored.permute(1, 2, 0).numpy(), "array, channels last": last,
        "array, channels first": colours.numpy(), "tensor": colours, "grey tensor": stored, "matrix": stored[0],
        "floats": stored.float() / 255, "array of doubles": stored[0].double().numpy() / 255,
    }  # fmt: skip


def test_an_image_is_the_same_in_every_form_that_it_can_have(kmex, stored, tmp_path):
    wanted = kmex.facts.pixels(stored)
    assert wanted.shape == (1, 3, 33, 33)
    for name, image in forms(stored, tmp_path).items():
        assert torch.equal(kmex.facts.pixels(image), wanted), name


def test_a_test_image_that_comes_as_a_new_one_is_prepared_as_it_is_in_the_data_set(kmex, bench):
    own = bench.dataset.test.batch(torch.tensor([3]))
    new = kmex.facts.normalisation(kmex.facts.pixels(bench.dataset.test.pixels[3]))
    assert torch.equal(own.images, new)
    said, found = kmex.explain(own), kmex.explain(bench.dataset.test.pixels[3], prototypes=1)
    assert found.decision.prediction == int(said.predictions)
    assert found.decision.similarities[0] == float(said.similarities.max())


@pytest.mark.parametrize("box", [None, (1, 2, 9, 9)])
def test_a_file_of_a_data_set_of_files_is_prepared_as_it_is_in_the_data_set(tmp_path, box):
    source = np.random.default_rng(0)
    paths = [tmp_path / f"{place}.png" for place in range(4)]
    for path in paths:
        Image.fromarray(source.integers(0, 256, (11, 14, 3), dtype=np.uint8)).save(path)
    files = ImageFiles(paths, 9, None if box is None else [box] * 4)
    part = files, torch.tensor([0, 1, 0, 1])
    data = make_dataset("files", ("a", "b"), train=part, test=part, image_size=9, licence="CC0", source="us")
    assert data.facts.resized_by == "pillow"
    assert data.facts.cropped == (box is not None)
    if box is None:
        for place, path in enumerate(paths):
            for image in (
                path,
                np.asarray(Image.open(path)),
                torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1),
            ):
                assert torch.equal(data.facts.pixels(image), data.test.load(torch.tensor([place])))


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (torch.zeros(3, 5, 5) - 2, "give them as they were before they were normalised"),
        (torch.zeros(3, 5, 5, dtype=torch.int64), "give images.to"),
        (torch.zeros(5, 5, 3), "channels last"),
        (np.zeros((5, 5, 4), np.uint8), "4 channels"),
        (torch.full((1, 5, 5), torch.nan), "not finite"),
        ("nowhere.png", "nowhere.png is not there"),
        (object(), "the image is a object; accepted are a path"),
        (None, "accepted are a path"),
    ],
)
def test_what_is_no_image_is_refused_with_what_to_do(kmex, image, said):
    with pytest.raises(DataDamaged, match=said):
        kmex.explain(image)


def test_several_images_give_a_list_and_each_is_explained_as_if_alone(kmex, bench):
    images = bench.dataset.test.pixels[:3]
    together = kmex.explain(images)
    assert [str(found) for found in together] == [str(found) for found in kmex.explain(list(images))]
    for place, found in enumerate(together):
        alone = kmex.explain(images[place])
        assert alone.decision.prototypes == found.decision.prototypes
        np.testing.assert_allclose(found.probabilities, alone.probabilities, rtol=1e-4)
        np.testing.assert_allclose(found.relevance, alone.relevance, atol=1e-3 * np.abs(alone.relevance).max())
    assert kmex.explain([]) == []


def test_an_explanation_names_decision_probabilities_prototypes_and_maps(kmex, bench):
    image = bench.dataset.test.pixels[3]
    found, batch = kmex.explain(image, prototypes=2), bench.test(3)
    said = kmex.model(batch.images)
    order = said.similarities[0].argsort(descending=True)[:2]
    assert found.decision.prototypes == tuple(order.tolist())
    content = json.loads(json.dumps(found.to_json()))
    assert content["prediction"] == bench.dataset.classes[int(said.predictions)] == found.prediction
    assert sum(content["probabilities"].values()) == pytest.approx(1)
    assert [row["prototype"] for row in content["prototypes"]] == order.tolist()
    classes = kmex.model.prototypes.classes[order].tolist()
    assert [row["class"] for row in content["prototypes"]] == [bench.dataset.classes[label] for label in classes]
    np.testing.assert_array_equal(content["map"], kmex.relevance(batch)[0])
    wanted = kmex.prototype_relevance(batch, order[:1])[0]
    np.testing.assert_array_equal(content["prototypes"][0]["map"], wanted)
    assert "map" not in found.to_json(maps=False)
    words = str(found).splitlines()
    assert words[0] == f"image 0: {found.prediction}"
    assert words[2].startswith(f"  looks like prototype {order[0]} ({found.prediction}): similarity ")


def test_the_picture_shows_image_map_and_prototypes(kmex, bench, tmp_path):
    found = kmex.explain(bench.dataset.test.pixels[3], prototypes=2)
    picture = found.draw()
    labels = [image.get_gid() for image in picture.canvas_axes.get_images()]
    best = found.decision.prototypes
    assert labels[:2] == ["image", "class-map"]
    assert labels[2].startswith(f"prototype-{best[0]}-nearest-")
    assert labels[3] == f"image-prototype-{best[0]}"
    assert len(labels) == 6
    assert {path.suffix for path in found.write_files(tmp_path, "three")} == {".png", ".svg", ".json"}
    assert found._repr_png_() == (tmp_path / "three.png").read_bytes()


def test_a_model_without_prototypes_says_what_it_can(bench, network):
    found = bench.fit("blackbox", network).explain(bench.dataset.test.pixels[3])
    assert found.decision.prototypes == ()
    assert found.relevance is not None
    assert "looks like" not in str(found)
    assert found._repr_png_()[:4] == b"\x89PNG"


def test_where_cells_vote_their_share_is_named(bench, network):
    found = bench.fit("b4", network, prototypes_per_class=2).explain(bench.dataset.test.pixels[3])
    assert "% of cells" in str(found)
    assert 0 < found.to_json()["prototypes"][0]["share_of_cells"] <= 1


def test_what_is_not_offered_is_said_and_not_left_out_silently(kmex, bench):
    reason = {Capability.ATTRIBUTION: "its network divides by a random number"}
    mute = dataclasses.replace(kmex, supports=kmex.supports - {Capability.ATTRIBUTION}, lacks=reason)
    found = mute.explain(bench.dataset.test.pixels[3])
    assert found.relevance is None
    assert "no class map: kmex: its network divides by a random number" in "\n".join(found.notes)
    cropped = dataclasses.replace(kmex.facts, cropped=True)

    class Cropped(type(kmex)):
        facts = cropped

    fields = {field.name: getattr(kmex, field.name) for field in dataclasses.fields(kmex)}
    assert "this one is taken whole" in str(Cropped(**fields).explain(bench.dataset.test.pixels[3]))


def test_a_decision_for_another_class_than_the_most_probable_one_is_explained(kmex, bench, monkeypatch):
    decided = kmex.explain(bench.dataset.test.pixels[3])
    assert "rule of its own" not in str(decided)
    monkeypatch.setattr(type(kmex.model), "class_probabilities", lambda self, said: said.class_scores.neg().softmax(1))
    found = kmex.explain(bench.dataset.test.pixels[3])
    assert found.prediction == decided.prediction
    likeliest = bench.dataset.classes[int(found.probabilities.argmax())]
    assert f"decides by a rule of its own; the most probable class is {likeliest}" in str(found)


def test_threads_and_half_precision_outside_change_nothing(kmex, bench):
    images = list(bench.dataset.test.pixels[:8])
    wanted = [kmex.explain(image).to_json() for image in images]
    before = torch.are_deterministic_algorithms_enabled()
    with ThreadPoolExecutor(4) as pool:
        assert [found.to_json() for found in pool.map(kmex.explain, images)] == wanted
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert kmex.explain(images[0]).to_json() == wanted[0]
    assert kmex.explain(images[1]).to_json() == wanted[1]
    assert torch.are_deterministic_algorithms_enabled() == before


@pytest.mark.parametrize("count", [-1, 1.5, "3", None])
def test_a_number_of_prototypes_is_a_whole_number(kmex, bench, count):
    with pytest.raises(ValueError, match="must be a whole number, 0 or more"):
        kmex.explain(bench.dataset.test.pixels[0], count)


def test_odd_names_of_files_are_text(kmex, bench, tmp_path):
    file = tmp_path / "a\x01b\udcff.png"
    Image.fromarray((bench.dataset.test.pixels[0][0] * 255).byte().numpy()).save(file, format="PNG")
    found = kmex.explain(file)
    assert found.name.endswith(r"a\x01b\xff.png")
    for path in found.write_files(tmp_path / "out", "odd"):
        assert path.read_bytes()


def test_an_explainer_is_shown_in_a_line(kmex):
    assert repr(kmex).startswith("<FittedExplainer kmex on tiny-digits: KMEx(prototypes_per_class=2")
    assert "\n" not in repr(kmex)


def test_more_images_than_fit_in_a_batch_keep_their_order(bench, network):
    model = bench.fit("chance", network)
    found = model.explain(bench.dataset.test.pixels[:35], prototypes=0)
    assert [one.name for one in found] == [f"image {place}" for place in range(35)]
    loaded = Workbench("tiny-digits").dataset.test.pixels[:35]
    np.testing.assert_array_equal(found[20].pixels, model.facts.pixels(loaded[20])[0].permute(1, 2, 0))
