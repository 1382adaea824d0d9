"""A saved explainer explains as it did, to the last bit; what cannot be used is refused in words."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import sembench
from sembench.backbones.backbone import Backbone
from sembench.data.normalisation import Normalisation
from sembench.data.sets.digits import digits
from sembench.errors import ModelDamaged, NotOffered, NotWritable, SuiteInvalid, UnknownName
from sembench.keeping.form import MANIFEST, TENSORS
from sembench.keeping.loading import load_folder
from sembench.plugins.registry import EXPLAINERS
from sembench.running.black_box import adapt
from sembench.running.cache import tensors_sha256
from sembench_baselines.kmex import KMEx
from units import golden, own

pytestmark = pytest.mark.filterwarnings("ignore:no mean and std", "ignore:the black box is right on")

SHORT = golden("explainers")
NAMES = sorted({*own(EXPLAINERS), *SHORT})


def same(found, wanted):
    """Whether two explanations of an image are equal to the last bit."""
    assert str(found) == str(wanted)
    assert found.to_json() == wanted.to_json()
    assert found._repr_png_() == wanted._repr_png_()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * ("hyperparameters" in SHORT.get(name, {}))) for name in NAMES],
)
def test_every_explainer_explains_after_loading_as_before(name, bench, network, tmp_path):
    fitted = bench.fit(name, network, **SHORT.get(name, {}).get("hyperparameters", {}))
    loaded = load_folder(fitted.save(tmp_path / "model"))
    assert loaded.manifest.given == ""
    assert loaded.supports == fitted.supports - {sembench.Capability.ATTRIBUTES}
    for found, wanted in zip(*(one.explain(bench.dataset.test.pixels[:2]) for one in (loaded, fitted)), strict=True):
        same(found, wanted)


def test_a_fresh_process_explains_to_the_last_bit(kmex, folder, bench, tmp_path):
    image = tmp_path / "image.npy"
    np.save(image, bench.dataset.test.pixels[5].numpy())
    code = (
        "import numpy, sembench, json, sys, torch; torch.set_num_threads(1);"
        f"print(json.dumps(sembench.load({str(folder)!r}).explain(numpy.load({str(image)!r})).to_json()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(done.stdout) == kmex.explain(np.load(image)).to_json()


def test_a_folder_holds_tensors_and_words_and_nothing_that_runs(folder):
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, TENSORS]
    content = json.loads((folder / MANIFEST).read_text())
    assert content["format"] == 1
    assert content["explainer"] == {"name": "kmex", "label": None, "parameters": {"prototypes_per_class": 2}}
    assert content["data"]["normalisation"]["mean"] == list(digits(image_size=33).train.normalisation.mean)
    assert len(content["data_sha256"]) == 64


def test_a_loaded_one_can_be_saved_again_alike(folder, tmp_path):
    loaded = load_folder(folder)
    again = loaded.save(tmp_path / "again")
    words = {"created": ""}
    assert load_folder(again).manifest.model_copy(update=words) == loaded.manifest.model_copy(update=words)


def test_pictures_of_training_images_can_be_left_out(kmex, bench, tmp_path):
    loaded = load_folder(kmex.save(tmp_path / "bare", pictures=False))
    found = loaded.explain(bench.dataset.test.pixels[0])
    assert "no training\nimage" in [text.get_text() for text in found.draw().canvas_axes.texts]
    assert not any(key.startswith("portraits") for key in safetensors.torch.load_file(tmp_path / "bare" / TENSORS))


class Own(nn.Module):
    """A network of somebody's own, without a name."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(16, 10)

    def forward(self, images):
        return self.head(self.body(self.stem(images)).mean((2, 3)))


def test_an_adapted_network_is_given_again_and_gets_its_weights_and_its_images(bench, tmp_path):
    torch.manual_seed(0)
    adapted = adapt(Own(), image_size=33, mean=(0.5, 0.4, 0.3), std=(0.5, 0.5, 0.2))
    fitted = bench.fit("kmex", adapted, prototypes_per_class=2)
    folder = fitted.save(tmp_path / "own")
    with pytest.raises(ModelDamaged, match=r"'Own' cannot be made by its name.*load\(folder, network=\.\.\.\)"):
        load_folder(folder)
    torch.manual_seed(1)
    network = Own()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    loaded = load_folder(folder, network=network)
    assert loaded.manifest.rescaled == (
        (bench.dataset.train.normalisation, Normalisation((0.5, 0.4, 0.3), (0.5, 0.5, 0.2))),
    )
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    same(loaded.explain(bench.dataset.test.pixels[0]), fitted.explain(bench.dataset.test.pixels[0]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.filterwarnings("ignore:the network. its weights of float16 are computed with in float32")
def test_a_backbone_made_by_hand_is_given_again(bench, tmp_path, dtype):
    def make():
        stages = [
            nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU()),
        ]
        return Backbone(stages, nn.Linear(16, 10)).to(dtype)

    fitted = bench.fit("cnn", make())
    folder = fitted.save(tmp_path / "hand")
    with pytest.raises(ModelDamaged, match="was made by hand"):
        load_folder(folder)
    same(load_folder(folder, network=make()).explain(bench.dataset.test.pixels[0]),
         fitted.explain(bench.dataset.test.pixels[0]))  # fmt: skip


def test_code_of_a_users_own_runs_when_it_is_given_and_never_because_a_folder_names_it(bench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = tmp_path / "ran"
    (tmp_path / "net.py").write_text(
        f"from torch import nn\nfrom pathlib import Path\n\ndef make():\n    Path({str(ran)!r}).touch()\n"
        "    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), "
        "nn.Linear(8, 10))\n"
    )
    network = bench.train("net.py:make", epochs=1)
    fitted = bench.fit("kmex", network, prototypes_per_class=1)
    ran.unlink()
    folder = fitted.save(tmp_path / "model")
    hostile = changed(folder, tmp_path / "hostile", lambda content: content.update(given=""))
    for place in (folder, hostile):
        with pytest.raises(ModelDamaged, match=r"Give it: sembench.load\(folder, network=\.\.\.\)"):
            load_folder(place)
    assert not ran.exists()
    loaded = load_folder(folder, network="net.py:make")
    assert ran.exists()
    same(loaded.explain(bench.dataset.test.pixels[0]), fitted.explain(bench.dataset.test.pixels[0]))


def test_code_that_computes_something_else_is_found_out(bench, tmp_path):
    class Doubled(Own):
        def forward(self, images):
            return self.head(2 * self.body(self.stem(images)).mean((2, 3)))

    torch.manual_seed(0)
    folder = bench.fit("kmex", adapt(Own(), image_size=33), prototypes_per_class=2).save(tmp_path / "own")
    with pytest.raises(ModelDamaged, match=r"answers otherwise than when it was saved \(logits differ by"):
        load_folder(folder, network=Doubled())
    with pytest.raises(ModelDamaged, match="weights do not fit the network"):
        load_folder(folder, network=nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                                                  nn.Linear(8, 10)))  # fmt: skip


def changed(folder, target, change, edit=lambda tensors: None):
    """A copy of a saved model with another description and other tensors, checksums and all."""
    target.mkdir()
    content = json.loads((folder / MANIFEST).read_text())
    tensors = safetensors.torch.load_file(folder / TENSORS)
    edit(tensors)
    content["tensors_sha256"] = tensors_sha256(tensors)
    change(content)
    text = json.dumps(content).encode()
    (target / MANIFEST).write_bytes(text)
    safetensors.torch.save_file(tensors, target / TENSORS, {MANIFEST: hashlib.sha256(text).hexdigest()})
    return target


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (
            lambda c: c.update(format=2, sembench="9.0"),
            ModelDamaged,
            r"format 2, of sembench 9\.0.*Install a later",
        ),
        (lambda c: c.update(surprise=1), ModelDamaged, "surprise"),
        (lambda c: c.pop("data"), ModelDamaged, "data"),
        (lambda c: c.update(format="one"), ModelDamaged, "format"),
        (lambda c: c["hyperparameters"].update(n_init=9), ModelDamaged, "defaults .* have changed"),
        (lambda c: c["explainer"].update(name="nobody"), UnknownName, "unknown explainer 'nobody'"),
        (lambda c: c["network"].update(name="resnet18"), ModelDamaged, "weights do not fit"),
        (lambda c: c["data"].update(image_size=40), ModelDamaged, "answers otherwise"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(folder, tmp_path, change, error, said):
    with pytest.raises(error, match=said):
        load_folder(changed(folder, tmp_path / "changed", change))


@pytest.mark.parametrize(
    "edit",
    [
        lambda t: t.pop("answers.logits"),
        lambda t: t.update({"answers.similarities": t["answers.similarities"] > 0}),
        lambda t: t.pop("model.vectors"),
        lambda t: t.update({"model.vectors": t["model.vectors"].T.contiguous()}),
        lambda t: t.update({"model.vectors": t["model.vectors"].flatten()}),
        lambda t: t.update({"model.classes": t["model.classes"] + 99}),
        lambda t: t.update({"portraits.images": t["portraits.images"][:1].clone()}),
        lambda t: t.pop("portraits.frames"),
        lambda t: t.pop("network.classifier.weight"),
    ],
)
def test_tensors_that_do_not_go_together_are_refused_with_a_sentence(folder, tmp_path, edit):
    with pytest.raises(ModelDamaged, match=r"cannot be used: .* \(Written by sembench"):
        load_folder(changed(folder, tmp_path / "changed", lambda content: None, edit))


@pytest.mark.parametrize(
    "facts",
    [{"image_size": 0}, {"image_size": -1}, {"image_size": 2**70}, {"classes": []}, {"resized_by": "pilow"},
     {"normalisation": {"mean": [0.1], "std": []}}, {"normalisation": {"mean": [0, 0, 0, 0], "std": [1, 1, 1, 1]}}],
)  # fmt: skip
def test_a_description_of_no_data_is_refused_with_a_sentence(folder, tmp_path, facts):
    with pytest.raises(ModelDamaged):
        load_folder(changed(folder, tmp_path / "changed", lambda content: content["data"].update(facts)))


def test_damage_is_found(folder, tmp_path):
    copy = changed(folder, tmp_path / "copy", lambda content: None)
    load_folder(copy)
    words, whole = (copy / MANIFEST).read_text(), (copy / TENSORS).read_bytes()
    (copy / MANIFEST).write_text(words.replace('"0", "1"', '"1", "0"'))
    with pytest.raises(ModelDamaged, match="a checksum is another"):
        load_folder(copy)
    (copy / MANIFEST).write_text(words)
    (copy / TENSORS).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelDamaged, match="a checksum is another"):
        load_folder(copy)
    (copy / TENSORS).write_bytes(whole[:1000])
    with pytest.raises(ModelDamaged, match="no model that can be read"):
        load_folder(copy)
    for nothing in (tmp_path / "nothing", str(tmp_path / "nothing")):
        with pytest.raises(ModelDamaged, match=r"holds no model: there is no file model\.json in it"):
            sembench.load(nothing)
    (copy / MANIFEST).write_text("[]")
    with pytest.raises(ModelDamaged):
        load_folder(copy)


def test_nothing_that_was_saved_is_overwritten(kmex, folder):
    before = (folder / TENSORS).read_bytes()
    with pytest.raises(NotWritable, match="is not empty: it holds"):
        kmex.save(folder)
    assert (folder / TENSORS).read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_what_was_fitted_from_a_recipe_cannot_be_found_again(bench, network, tmp_path):
    with pytest.raises(NotOffered, match="fit it by its name"):
        bench.fit(KMEx(prototypes_per_class=1), network).save(tmp_path / "model")


def test_a_label_of_a_suite_is_not_mistaken_for_a_folder(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert sembench.load(folder.name).name == "kmex"
    with pytest.raises(UnknownName, match="unknown suite 'nothing'"):
        sembench.load(folder.name, suite="nothing")
    with pytest.raises(SuiteInvalid, match="leave out suite, dataset and seed"):
        sembench.load(folder, seed=1)
    with pytest.raises(SuiteInvalid, match="network goes with a saved explainer"):
        sembench.load("nobody", network="net.py:make")


def test_maps_are_made_as_they_were_whatever_the_given_network_says(bench, tmp_path):
    torch.manual_seed(0)
    fitted = bench.fit("blackbox", adapt(Own(), image_size=33, attribution="input-x-gradient"))
    folder = fitted.save(tmp_path / "own")
    for network in (Own(), adapt(Own(), image_size=33)):
        same(load_folder(folder, network=network).explain(bench.dataset.test.pixels[0]),
             fitted.explain(bench.dataset.test.pixels[0]))  # fmt: skip


def test_load_takes_folders_as_text_too_and_a_device(folder):
    assert sembench.load(str(folder)).name == "kmex"
    with pytest.raises(SuiteInvalid, match="device 'abacus'"):
        sembench.load(folder, device="abacus")
    with pytest.raises(SuiteInvalid, match="device 'meta'"):
        sembench.load(folder, device="meta")
