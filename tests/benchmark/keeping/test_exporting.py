"""An exported program says what the model says, with torch alone."""

import json
import subprocess
import sys

import pytest
import torch

from sembench.errors import NotOffered
from sembench.keeping.exporting import FACTS
from sembench.plugins.registry import EXPLAINERS
from units import golden, own

SHORT = golden("explainers")
NAMES = sorted({*own(EXPLAINERS), *SHORT})


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in ("kmex", "b234", "blackbox"))) for name in NAMES],
)
def test_every_explainer_can_be_exported(name, bench, network, tmp_path):
    fitted = bench.fit(name, network, **SHORT.get(name, {}).get("hyperparameters", {}))
    file = fitted.export(tmp_path / "model.pt2")
    extra = {FACTS: ""}
    program = torch.export.load(file, extra_files=extra).module()
    pixels, batch = bench.dataset.test.load(torch.arange(5)), bench.test(*range(5))
    decisions, probabilities, similarities = program(pixels)
    said = fitted.explain(batch)
    torch.testing.assert_close(probabilities, fitted.model.class_probabilities(said), rtol=1e-3, atol=1e-4)
    assert torch.equal(decisions, said.predictions)
    torch.testing.assert_close(similarities, said.similarities, rtol=1e-3, atol=1e-3)
    facts = json.loads(extra[FACTS])
    assert facts["classes"] == list(bench.dataset.classes)
    assert len(facts["prototype_classes"]) == similarities.shape[1]


def test_a_program_runs_where_sembench_is_not(kmex, bench, tmp_path):
    file = kmex.export(tmp_path / "model.pt2")
    torch.save(bench.dataset.test.load(torch.arange(3)), tmp_path / "pixels.pt")
    code = (
        "import sys, torch; program = torch.export.load('model.pt2').module();"
        "decisions, probabilities, similarities = program(torch.load('pixels.pt'));"
        "print(any('sembench' in name for name in sys.modules), decisions.tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=file.parent)
    said = kmex.explain(bench.test(0, 1, 2))
    wanted = said.predictions.tolist()
    assert done.stdout == f"False {wanted}\n"


def test_what_cannot_be_exported_is_refused_in_a_sentence(bench, network, kmex, tmp_path, monkeypatch):
    def forward(self, images):
        return self.explain(self.embed(images) * float(images.sum()))

    monkeypatch.setattr(type(kmex.model), "forward", forward)
    with pytest.raises(NotOffered, match="kmex cannot be exported by torch"):
        kmex.export(tmp_path / "model.pt2")
    assert not (tmp_path / "model.pt2").exists()
