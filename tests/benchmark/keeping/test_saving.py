"""A saved explainer explains as it did, to the last bit; what cannot be used is refused in words."""

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
    assert (again / TENSORS).read_bytes() == (folder / TENSORS).read_bytes()
    assert load_folder(again).manifest.tensors_sha256 == loaded.manifest.tensors_sha256


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


def test_a_network_of_ones_own_file_is_found_beside_the_model_or_in_the_working_folder(bench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\ndef make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), "
        "nn.Linear(8, 10))\n"
    )
    network = bench.train("net.py:make", epochs=1)
    folder = bench.fit("kmex", network, prototypes_per_class=1).save(tmp_path / "model")
    code = f"import sembench; print(sembench.load({str(folder)!r}))"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def start(cwd):
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=cwd)

    assert start(tmp_path).returncode == 0
    failed = start(elsewhere).stderr.splitlines()[-1]
    assert "net.py" in failed
    assert "load(folder, network=...)" in failed
    (tmp_path / "net.py").replace(folder / "net.py")
    assert start(elsewhere).returncode == 0


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


def changed(folder, target, change):
    """A copy of a saved model whose description is changed."""
    target.mkdir()
    (target / TENSORS).write_bytes((folder / TENSORS).read_bytes())
    content = json.loads((folder / MANIFEST).read_text())
    change(content)
    (target / MANIFEST).write_text(json.dumps(content))
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


def test_damage_is_found(folder, tmp_path):
    copy = changed(folder, tmp_path / "copy", lambda content: None)
    load_folder(copy)
    whole = (copy / TENSORS).read_bytes()
    (copy / TENSORS).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelDamaged, match="checksum is another"):
        load_folder(copy)
    (copy / TENSORS).write_bytes(whole[:1000])
    with pytest.raises(ModelDamaged, match="no model that can be read"):
        load_folder(copy)
    with pytest.raises(ModelDamaged, match="no model that can be read"):
        load_folder(tmp_path / "nothing")
    (copy / MANIFEST).write_text("[]")
    with pytest.raises(ModelDamaged):
        load_folder(copy)


def test_nothing_that_was_saved_is_overwritten(kmex, folder):
    before = (folder / TENSORS).read_bytes()
    with pytest.raises(NotWritable, match="holds a model already"):
        kmex.save(folder)
    assert (folder / TENSORS).read_bytes() == before


def test_what_was_fitted_from_a_recipe_cannot_be_found_again(bench, network, tmp_path):
    with pytest.raises(NotOffered, match="fit it by its name"):
        bench.fit(KMEx(prototypes_per_class=1), network).save(tmp_path / "model")


def test_load_takes_folders_as_text_too_and_a_device(folder):
    assert sembench.load(str(folder)).name == "kmex"
    with pytest.raises(SuiteInvalid, match="device 'abacus'"):
        sembench.load(folder, device="abacus")
