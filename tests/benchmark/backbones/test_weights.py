"""Weights from files: safetensors, and ``.pth`` that may hold tensors only."""

import argparse
import itertools
import pathlib
import pickle
import warnings

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from sembench.backbones.loading import load_weights
from sembench.backbones.weights import read_weights
from sembench.errors import SuiteInvalid


@pytest.fixture
def state():
    return {"weight": torch.arange(6.0).view(2, 3), "bias": torch.zeros(2)}


@pytest.mark.parametrize(
    "wrapped",
    [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"net": s, "optimizer": {"state": {}}}],
)
def test_a_pth_file_is_read_in_the_forms_that_training_scripts_write(tmp_path, state, wrapped):
    torch.save(wrapped(state), tmp_path / "w.pth")
    found = read_weights(tmp_path / "w.pth")
    assert found.keys() == state.keys()
    assert torch.equal(found["weight"], state["weight"])


def test_safetensors_are_read(tmp_path, state):
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")
    assert torch.equal(read_weights(tmp_path / "w.safetensors")["weight"], state["weight"])


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w.pkl", "w"])
def test_a_file_is_read_by_its_content_whatever_its_suffix(tmp_path, state, name, legacy):
    torch.save(state, tmp_path / name, _use_new_zipfile_serialization=not legacy)
    assert torch.equal(read_weights(tmp_path / name)["weight"], state["weight"])
    safetensors.torch.save_file(state, tmp_path / name)
    assert torch.equal(read_weights(tmp_path / name)["weight"], state["weight"])


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16, torch.uint64])
def test_tensors_of_types_without_a_storage_of_their_own_are_read(tmp_path, state, dtype, legacy):
    torch.save({"weight": state["weight"].to(dtype)}, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    found = read_weights(tmp_path / "w.pth")["weight"]
    assert found.dtype == dtype
    assert torch.equal(found.float(), state["weight"])


class Evil:
    def __reduce__(self):
        return (print, ("code of a stranger",))


def test_no_code_of_a_file_runs(tmp_path, capsys):
    for legacy in (True, False):
        torch.save({"weight": Evil()}, tmp_path / "evil.pth", _use_new_zipfile_serialization=not legacy)
        with pytest.raises(SuiteInvalid, match="no state dictionary"):
            read_weights(tmp_path / "evil.pth")
    assert "stranger" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("w.npz", b"\x93NUMPY", "an array of NumPy"),
        ("w.pth", b"nonsense", "cannot be read"),
        ("w.safetensors", b"nonsense", "cannot be read"),
        ("w.pth", pickle.dumps({}, protocol=2), "this is a plain pickle, as pickle.dump or joblib writes"),
        ("w.safetensors", pickle.dumps([torch.zeros(9)]), "this is a plain pickle"),
        ("w.pth", b"PK\x03\x04 and no more", "a zip archive that is damaged or cut off"),
        ("w.pth", b"", r"cannot be read: this is an empty file"),
        ("w.pth", b"epoch 1: loss 0.3\n", "this is neither safetensors nor"),
        ("w.safetensors", b"", "an empty file"),
    ],
)
def test_another_file_is_refused(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SuiteInvalid, match=reason):
        read_weights(tmp_path / name)


def test_a_dictionary_without_names_is_refused(tmp_path, state):
    torch.save({0: state["weight"]}, tmp_path / "w.pth")
    with pytest.raises(SuiteInvalid, match=r"cannot be read: .*no state dictionary"):
        read_weights(tmp_path / "w.pth")


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(SuiteInvalid, match="cannot be read"):
        read_weights(tmp_path / "nowhere.pth")


def test_weights_that_do_not_fit_change_nothing(state):
    network = nn.Linear(4, 2)
    before = network.weight.clone()
    with pytest.raises(SuiteInvalid, match=r"'w' do not fit.*1 have another shape \(first 'weight'\)"):
        load_weights(network, state, "w")
    with pytest.raises(SuiteInvalid, match=r"1 are missing \(first 'bias'\), 1 are unknown to it \(first 'other'\)"):
        load_weights(nn.Linear(3, 2), {"weight": state["weight"], "other": state["bias"]}, "w")
    assert torch.equal(network.weight, before)


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


PREFIXES = ("", "module.", "_orig_mod.module.", "module.model.", "net.", "backbone.")
WRAPPERS = (None, "state_dict", "model", "net", "model_state", "state_dict_ema")
EXTRAS = {"acc": np.float64(0.9), "args": argparse.Namespace(lr=1), "place": pathlib.PurePosixPath("a/b"), "epoch": 3}


@pytest.mark.parametrize(("prefix", "wrapper"), list(itertools.product(PREFIXES, WRAPPERS)))
@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_what_was_saved_is_loaded_however_it_was_saved(tmp_path, prefix, wrapper, legacy, dtype):
    saved = {k: v.to(dtype) if v.is_floating_point() else v for k, v in small().state_dict().items()}
    named = {f"{prefix}{k}": v for k, v in saved.items() if wrapper != "net" or "num_batches" not in k}
    content = named if wrapper is None else {wrapper: named, **EXTRAS}
    path = tmp_path / "best.pth.tar"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    network = small()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        load_weights(network, read_weights(path), "w")
    assert len(said) == (dtype != torch.float32) + (wrapper == "state_dict_ema")
    for name, value in network.state_dict().items():
        assert torch.equal(value, saved[name].to(value.dtype)), name


@pytest.mark.parametrize("around", [lambda net: net, nn.DataParallel])
@pytest.mark.parametrize("wrapper", [None, "model", "swa_model"])
@pytest.mark.filterwarnings("ignore:.*the averaged weights 'swa_model' are taken")
def test_averaged_weights_of_torch_are_loaded_without_their_count(tmp_path, around, wrapper):
    averaged = torch.optim.swa_utils.AveragedModel(around(small()))
    state = averaged.state_dict()
    torch.save(state if wrapper is None else {wrapper: state, "epoch": 3}, tmp_path / "w.pth")
    network = small()
    load_weights(network, read_weights(tmp_path / "w.pth"), "w")
    for (name, value), saved in zip(network.state_dict().items(), list(state.values())[1:], strict=True):
        assert torch.equal(value, saved), name
    with pytest.raises(SuiteInvalid, match=r"1 are unknown to it .first 'n_averaged'"):
        load_weights(network, network.state_dict() | {"n_averaged": torch.tensor(3)}, "w")


def test_names_that_fit_are_left_and_ambiguous_files_are_refused(tmp_path, state):
    network = nn.Module()
    network.module = nn.Linear(3, 2)
    load_weights(network, {f"module.{k}": v for k, v in state.items()}, "w")
    assert torch.equal(network.module.weight, state["weight"])
    torch.save({"generator": state, "critic": state}, tmp_path / "gan")
    with pytest.raises(SuiteInvalid, match="several state dictionaries: 'generator', 'critic'"):
        read_weights(tmp_path / "gan")
    torch.save({"model": state, "model_ema": state}, tmp_path / "both.PTH")
    with pytest.warns(UserWarning, match="averaged weights too, 'model_ema'; those under 'model' are taken"):
        read_weights(tmp_path / "both.PTH")
    torch.save(nn.Linear(3, 2), tmp_path / "whole")
    with pytest.raises(SuiteInvalid, match="whole pickled module"):
        read_weights(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.to(torch.int8), "is of type int8"),
        (lambda t: t.bool(), "is of type bool"),
        (lambda t: t.to_sparse(), "is sparse"),
        (lambda t: t.to("meta"), "has no values"),
        (lambda t: torch.cat((t, t)), "only 'head' differs|have another shape"),
    ],
)
def test_tensors_of_other_kinds_are_refused_by_name(state, change, reason):
    network = nn.Linear(3, 2)
    before = network.weight.clone()
    with pytest.raises(SuiteInvalid, match=reason):
        load_weights(network, {**state, "weight": change(state["weight"])}, "w")
    assert torch.equal(network.weight, before)


def test_a_tensor_under_two_names_may_be_stored_once(tmp_path):
    first, second = nn.Sequential(nn.Linear(3, 3)), nn.Sequential(nn.Linear(3, 3))
    for network in (first, second):
        network.append(network[0])
    safetensors.torch.save_model(first, tmp_path / "tied")
    load_weights(second, read_weights(tmp_path / "tied"), "w")
    assert torch.equal(first[1].weight, second[1].weight)


class Both(nn.Module):
    """A network whose own names begin as wrappers' do."""

    def __init__(self):
        super().__init__()
        self.model = nn.Linear(3, 2)
        self.module = nn.Linear(3, 2)


def linear():
    return nn.Sequential(nn.Linear(3, 2))


def inner():
    return nn.Sequential(nn.DataParallel(nn.Linear(3, 2)))


NETWORKS = {
    "plain": linear,
    "parallel": lambda: nn.DataParallel(linear()),
    "compiled": lambda: torch.compile(linear()),
    "parallel inside": inner,
    "both": lambda: nn.DataParallel(inner()),
    "own names": Both,
    "lazy": lambda: nn.Sequential(nn.LazyLinear(2)),
}


@pytest.mark.parametrize("into", [name for name in NETWORKS if name != "own names"])
@pytest.mark.parametrize("saved", [name for name in NETWORKS if name not in ("own names", "lazy")])
@pytest.mark.parametrize("prefix", ["", "module.", "model._orig_mod."])
def test_wrappers_of_the_file_and_of_the_network_do_not_matter(tmp_path, saved, into, prefix):
    state = {f"{prefix}{name}": value for name, value in NETWORKS[saved]().state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    network = NETWORKS[into]()
    load_weights(network, read_weights(tmp_path / "w.pth"), "w")
    assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), state.values(), strict=True))


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.module."])
def test_own_names_that_look_like_wrappers_are_kept_apart(prefix):
    network, saved = Both(), Both().state_dict()
    load_weights(network, {f"{prefix}{name}": value for name, value in saved.items()}, "w")
    assert all(torch.equal(value, saved[name]) for name, value in network.state_dict().items())


class Tied(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 3))
        self.append(self[0])


class Counting(nn.Linear):
    """A layer with buffers of other kinds."""

    def __init__(self):
        super().__init__(3, 2)
        self.register_buffer("count", torch.tensor([3], dtype=torch.int16))
        self.register_buffer("mask", torch.tensor([True, False]))


def quantised(tensor):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)


def by_rows(tensor):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tensor.to_sparse_csr()


def ones(*shape):
    return lambda _: torch.ones(shape)


def lazy(kind):
    return lambda: nn.Sequential(kind(2, 1, bias=False))


DTYPES = [(torch.int8, "int8"), (torch.int64, "int64"), (torch.bool, "bool"), (torch.complex64, "complex64")]
UNFIT = {
    **{said: (linear, {"0.weight": lambda t, d=dtype: t.to(d)}, rf"'0.weight' is of type {said}, where the .* float32")
       for dtype, said in DTYPES},
    "quantised": (linear, {"0.weight": quantised}, "'0.weight' is of type qint8, where"),
    "sparse": (linear, {"0.weight": lambda t: t.to_sparse()}, r"'0.weight' is sparse .*to_dense\(\)"),
    "sparse rows": (linear, {"0.weight": by_rows}, "'0.weight' is sparse"),
    "meta": (linear, {"0.weight": lambda t: t.to("meta")}, "'0.weight' has no values"),
    "meta network": (lambda: linear().to("meta"), {"0.bias": ones(2), "0.weight": ones(2, 3)},
                     "which is on the device meta. Make it on the CPU"),
    "large numbers": (Counting, {"count": lambda t: t.long() + 2**16}, "'count' holds .* int64 that int16"),
    "fractions": (Counting, {"count": lambda t: t + 0.5}, "'count' holds numbers of type float32 that int16"),
    "no truth": (Counting, {"mask": lambda t: t.int() + 1}, "'mask' holds numbers of type int32 that bool"),
    "two values of one": (Tied, {"1.weight": lambda t: t + 1}, "'0.weight' and '1.weight' are one tensor"),
    "two names of one": (linear, {"module.0.bias": ones(2)}, "'0.bias' and 'module.0.bias' are both '0.bias'"),
    "a long name": (linear, {"x" * 300: ones(2)}, "1 are unknown to it .first 'x{300}'"),
    "lazy, of other classes": (NETWORKS["lazy"], {"0.weight": ones(5, 3), "0.bias": ones(5)},
                               r"of '0' are of the shape \(5, 3\), where the network has LazyLinear"),
    "lazy, of another kernel": (lazy(nn.LazyConv2d), {"0.weight": ones(2, 3, 5, 5)}, "the network has LazyConv2d"),
    "lazy, transposed": (lazy(nn.LazyConvTranspose2d), {"0.weight": ones(3, 4, 1, 1)}, "has LazyConvTranspose2d"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "changes", "reason"), UNFIT.values(), ids=UNFIT)
def test_what_is_not_the_network_s_is_refused_by_name(tmp_path, make, changes, reason):
    network = make()
    state = dict(network.state_dict())
    torch.save(state | {name: change(state.get(name)) for name, change in changes.items()}, tmp_path / "w.pth")
    with pytest.raises(SuiteInvalid, match=reason):
        load_weights(network, read_weights(tmp_path / "w.pth"), "w")


def test_values_of_other_types_that_are_the_same_numbers_are_taken():
    network, other = Counting(), Counting()
    state = {**other.state_dict(), "count": torch.tensor([7.0]).double(), "mask": torch.tensor([0, 1])}
    load_weights(network, state, "w")
    assert (network.count.item(), network.mask.tolist()) == (7, [False, True])


@pytest.mark.parametrize("make", [lambda: nn.LazyLinear(2), lambda: nn.LazyConv2d(2, 1)])
def test_a_lazy_layer_that_was_never_run_has_no_weights_to_give(tmp_path, make):
    torch.save(make().state_dict(), tmp_path / "w.pth")
    with pytest.raises(SuiteInvalid, match="no state dictionary"):
        load_weights(make(), read_weights(tmp_path / "w.pth"), "w")
    with pytest.raises(SuiteInvalid, match="has no values, as in a lazy layer"):
        load_weights(make(), make().state_dict(), "w")


def test_a_tied_tensor_that_is_not_a_number_is_tied_all_the_same():
    network = Tied()
    state = {name: torch.full_like(value, torch.nan) for name, value in network.state_dict().items()}
    load_weights(network, state, "w")
    assert network[0].weight.isnan().all()


def test_a_long_name_is_loaded():
    network, other = nn.Module(), nn.Module()
    for module in (network, other):
        module.add_module("x" * 300, nn.Linear(3, 2))
    load_weights(network, {f"module.{name}": value for name, value in other.state_dict().items()}, "w")
    assert torch.equal(getattr(network, "x" * 300).weight, getattr(other, "x" * 300).weight)
