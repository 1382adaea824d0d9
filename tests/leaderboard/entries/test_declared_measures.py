"""What the validator reads in source code is what metrics and explainers declare when they are imported."""

import importlib
import subprocess
import sys

import pytest

from sembench.explainers.configuration import recipe
from sembench.metrics.metric import Metric
from sembench.metrics.scoring import measure_of
from sembench.plugins.registry import EXPLAINERS, METRICS
from sembench_leaderboard.entries.declared import declared
from units import own


@pytest.mark.parametrize("name", own(METRICS))
def test_a_metric_is_read_as_it_declares_itself(name):
    metric = METRICS.get(name)
    assert declared().measures[name] == measure_of(metric)
    needs = tuple(sorted(need.value for need in metric.requires)) if metric.absent is Metric.absent else None
    assert declared().requires.get(name) == needs  # a metric of an optional package may not apply for want of it


@pytest.mark.parametrize("name", own(EXPLAINERS))
def test_an_explainers_kind_is_read_as_it_declares_it(name):
    assert declared().kinds[name] == recipe(name, {}, "digits").kind


def test_families_are_not_known():
    assert not any("*" in name for name in declared().kinds)


THIRD_PARTY = """
import torch
from sembench import Capability, Explainer, Metric
from other import Control

raise RuntimeError("reading runs nothing")

def _declared(name, title, **facts):
    return Metric(name=name, title=title, direction="lower", lower=-1.5, version=_VERSION, meter=print, **facts)

_VERSION = 3
_NEEDS = frozenset({Capability.SIMILARITIES})
PLAIN = Metric(name="plain", title="Plain" " and long", direction="higher", lower=0, upper=None, per="prototype",
               meter=print, requires=_NEEDS, version=_VERSION, reference="here", chance_is=f"v{_VERSION}")
HELPED = _declared("helped", "Helped", upper=1, per="test image", requires=frozenset(), reference="r", chance_is="none")
COMPUTED = Metric(name="computed", title=print("no"), direction="higher")

class Mine(Explainer):
    kind = "control"

class Derived(Mine): ...
class Strange(Control): ...
"""


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """A package that is installed beside sembench and cannot be imported."""
    (tmp_path / "third_party.py").write_text(THIRD_PARTY)
    info = tmp_path / "third_party-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1\n")
    metrics = "".join(f"{name} = third_party:{name.upper()}\n" for name in ("plain", "helped", "computed", "absent"))
    recipes = "mine = third_party:Mine\nderived = third_party:Derived\nstrange = third_party:Strange\n"
    (info / "entry_points.txt").write_text(f"[sembench.metrics]\n{metrics}[sembench.explainers]\n{recipes}")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    declared.cache_clear()
    yield declared()
    declared.cache_clear()


def test_a_third_partys_declarations_are_read_without_running_them(third_party):
    plain, helped = third_party.measures["plain"], third_party.measures["helped"]
    assert (plain.title, plain.upper, plain.version, plain.chance_is) == ("Plain and long", None, 3, "v3")
    assert (helped.title, helped.lower, helped.upper, helped.version) == ("Helped", -1.5, 1, 3)
    assert third_party.requires["plain"] == ("similarities to prototypes",)
    assert third_party.requires["helped"] == ()
    assert (third_party.kinds["mine"], third_party.kinds["derived"]) == ("control", "control")


def test_what_cannot_be_read_is_not_known(third_party):
    assert not {"computed", "absent"} & third_party.measures.keys()
    assert third_party.unread == {name: f"third_party:{name.upper()}" for name in ("computed", "absent")}
    assert "strange" not in third_party.kinds
    assert {"accuracy", "lrp_kl"} <= third_party.measures.keys()


def test_reading_loads_no_torch():
    code = "import sys; from sembench_leaderboard.entries.declared import declared; declared(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "sembench.metrics.accuracy", "sembench_baselines.kmex"} & set(loaded)
