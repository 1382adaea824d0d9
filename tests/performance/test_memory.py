"""Fitting B234 holds a bounded number of cells, however many images there are."""

import json
import subprocess
import sys

import pytest

SIZES = (1000, 3000)

FIT = """
import json, sys
from pathlib import Path
import torch
from sembench_baselines.blocks import B234
from sembench.data.dataset import make_dataset
from sembench.backbones.backbone import freeze
from sembench.backbones.resnet import resnet10_narrow

count = int(sys.argv[1])
torch.manual_seed(0)
backbone = freeze(resnet10_narrow(10))
pixels = torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8)
labels = torch.arange(count) % 10
data = make_dataset("noise", tuple("0123456789"), train=(pixels, labels), test=(pixels[:10], labels[:10]),
                    image_size=40, licence="none", source="random")
recipe = B234(prototypes_per_class=2, max_rows=2000)

def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024

Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
before = resident("VmRSS")
model = recipe.fit(backbone, data.train, generator=torch.Generator().manual_seed(0))
print(json.dumps({"grown_mib": resident("VmHWM") - before, "prototypes": len(model.prototypes)}))
"""


def grown(count):
    done = subprocess.run([sys.executable, "-c", FIT, str(count)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak can be reset on Linux only")
def test_the_memory_of_fitting_b234_does_not_grow_with_the_number_of_images():
    found = {count: grown(count) for count in SIZES}
    megabytes = {count: item["grown_mib"] for count, item in found.items()}
    print(megabytes)
    all_cells = {count: count * 25 * 448 * 4 / 2**20 for count in SIZES}  # what keeping every cell would take
    assert megabytes[1000] > 1, "the fit is seen"
    assert megabytes[3000] - megabytes[1000] < 0.7 * (all_cells[3000] - all_cells[1000])
    assert all(item["prototypes"] == 20 for item in found.values())
