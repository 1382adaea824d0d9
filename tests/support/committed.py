"""Committed results as if the metrics of today had computed them: what they say that their numbers mean is brought up.

Committed results may be of older versions of the metrics, and then are no example of a submission.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from places import RESULTS
from sembench_leaderboard.entries.declared import declared


def content(place: str) -> dict[str, Any]:
    """A result, e.g. ``quick/digits/kmex/seed-0.json``."""
    result: dict[str, Any] = json.loads((RESULTS / place).read_text("utf-8"))
    for name, score in result["scores"].items():
        score["measure"] = declared().measures[name].model_dump(mode="json")
    return result


def copy(entry: str, folder: Path) -> None:
    """Writes the results of an entry, e.g. ``quick/digits/kmex``, to their place in a folder."""
    (folder / entry).mkdir(parents=True)
    for path in (RESULTS / entry).glob("seed-*.json"):
        place = f"{entry}/{path.name}"
        (folder / place).write_text(json.dumps(content(place)))
