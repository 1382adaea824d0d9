"""Weights from files: safetensors, and ``.pth`` that may hold tensors only."""

import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from sembench.backbones.weights import load_weights, read_weights
from sembench.errors import SuiteInvalid


@pytest.fixture
def state():
    return {"weight": torch.arange(6.0).view(2, 3), "bias": torch.zeros(2)}


@pytest.mark.parametrize(
    "wrapped",
    [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {f"module.{k}": v for k, v in s.items()}],
)
def test_a_pth_file_is_read_in_the_forms_that_training_scripts_write(tmp_path, state, wrapped):
    torch.save(wrapped(state), tmp_path / "w.pth")
    found = read_weights(tmp_path / "w.pth")
    assert found.keys() == state.keys()
    assert torch.equal(found["weight"], state["weight"])


def test_safetensors_are_read(tmp_path, state):
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")
    assert torch.equal(read_weights(tmp_path / "w.safetensors")["weight"], state["weight"])


class Evil:
    def __reduce__(self):
        return (print, ("code of a stranger",))


def test_no_code_of_a_file_runs(tmp_path, capsys):
    torch.save({"weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(SuiteInvalid, match="Only tensors are read, no other object"):
        read_weights(tmp_path / "evil.pth")
    assert "stranger" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("w.npz", b"", "not of a known kind; accepted are .safetensors, .pth, .pt"),
        ("w.pth", b"nonsense", "cannot be read"),
        ("w.safetensors", b"nonsense", "cannot be read"),
        ("w.pth", pickle.dumps({}, protocol=2), "cannot be read|hold no state dictionary"),
        ("w.pth", b"", r"cannot be read: EOFError"),
        ("w.pth", b"epoch 1: loss 0.3\n", r"cannot be read: \w+"),
        ("w.safetensors", b"", "cannot be read: SafetensorError"),
    ],
)
def test_another_file_is_refused(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SuiteInvalid, match=reason):
        read_weights(tmp_path / name)


def test_a_dictionary_without_names_is_refused(tmp_path, state):
    torch.save({0: state["weight"]}, tmp_path / "w.pth")
    with pytest.raises(SuiteInvalid, match="cannot be read: they hold no state dictionary"):
        read_weights(tmp_path / "w.pth")


def test_safetensors_of_a_parallel_network_are_read_as_a_pth_file_is(tmp_path, state):
    safetensors.torch.save_file({f"module.{k}": v for k, v in state.items()}, tmp_path / "w.safetensors")
    found = read_weights(tmp_path / "w.safetensors")
    assert found.keys() == state.keys()
    assert torch.equal(found["weight"], state["weight"])


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
