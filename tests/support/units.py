"""The units of this repository, and what their own files in `tests/golden` state of them.

A metric's file holds its version, the forward passes and images that one reading takes, and frozen values of all its
series. That of an explainer holds hyper-parameters that make its fit short, checks that it is excused from after so
short a fit, with the reason, and the passes and images of a fit, of one explanation's relevance, and of its forward
call. A name of a family (``b34``) has a file as well; without passes it is held to the contract, and not measured.
"""

import json
from typing import Any

from places import TESTS
from sembench.plugins.registry import Registry

GOLDEN = TESTS / "golden"


def own(registry: Registry) -> list[str]:
    """Names of one kind that this distribution registers; families are left out."""
    return [name for name in registry.names() if "*" not in name and registry.origin(name).endswith(" (sembench)")]


def golden(kind: str) -> dict[str, dict[str, Any]]:
    """What the files of one kind of unit state, by name; ``kind`` is ``"metrics"`` or ``"explainers"``."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((GOLDEN / kind).glob("*.json"))}
