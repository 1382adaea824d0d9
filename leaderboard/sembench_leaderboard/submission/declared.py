"""What do the metrics and explainers of this version declare? Kept as data, since their modules load torch.

``declared.json`` is held to the registries by a test, which also writes it anew (see its message).
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from sembench.results.result import Kind, Measure


class Declared(BaseModel):
    """What results of this version may say of themselves.

    Attributes:
        measures: By metric, what its numbers mean.
        requires: By metric, the capabilities that it asks for; metrics of optional packages are left out, since they
            may not apply for want of the package.
        kinds: Explainers that are a control or the reference; all others are explainers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    measures: dict[str, Measure]
    requires: dict[str, tuple[str, ...]]
    kinds: dict[str, Kind]


@lru_cache(maxsize=1)
def declared() -> Declared:
    """The declarations of this version of sembench."""
    return Declared.model_validate_json((files("sembench_leaderboard.submission") / "declared.json").read_bytes())


def to_json(content: Declared) -> str:
    """The file's text: sorted, one declaration a line."""
    return json.dumps(content.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
