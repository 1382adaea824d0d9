"""A submission that may be accepted: a new entry, with the numbers of a committed one under another name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import committed
from sembench.results.result import digest
from sembench_leaderboard.submission.records import write_manifest


class Submission:
    """A folder with one entry, ``mine``, of the suite ``quick``; ``edit`` does what must not be done."""

    def __init__(self, root: Path, base: Path) -> None:
        self.root, self.base = root, base
        (root / "quick/digits/mine").mkdir(parents=True)
        for name in ("seed-0.json", "seed-1.json"):
            content = committed.content(f"quick/digits/kmex/{name}")
            content["explainer"] = "mine"
            content["settings"]["explainer"] = {"name": "mine", "parameters": {"prototypes_per_class": 5}}
            content["identity"] = digest(content["settings"])
            content["scores"]["diversity"]["values"][0] /= 2
            self.path(name).write_text(json.dumps(content))
        self.pack()

    def path(self, name: str = "seed-0.json") -> Path:
        return self.root / "quick/digits/mine" / name

    def pack(self) -> None:
        write_manifest(self.root, "quick", "mine", "my_package:Mine (my-package 0.1)")

    def edit(self, change, name="seed-0.json", *, sign=True):
        """Changes a result, as somebody would who knows that settings and files are hashed."""
        content = json.loads(self.path(name).read_text())
        change(content)
        if sign:
            content["identity"] = digest(content["settings"])
        self.path(name).write_text(json.dumps(content))
        self.pack()

    def replace(self, old, new, name="seed-0.json"):
        """Changes the text of a result once."""
        text = self.path(name).read_text()
        assert old in text
        self.path(name).write_text(text.replace(old, new, 1))
        self.pack()


ACCEPTED = {"quick/digits": ("kmex", "b4", "flint", "protopnet"), "birds/cub-20": ("kmex", "b4", "chance")}


@pytest.fixture
def base(tmp_path):
    """Some committed results of two suites, as a base that a test may change."""
    for place, entries in ACCEPTED.items():
        for entry in entries:
            committed.copy(f"{place}/{entry}", tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def submission(tmp_path, base):
    return Submission(tmp_path / "submission", base)
