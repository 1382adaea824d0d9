"""Checks of one result file: its place, its provenance, its costs, its ranges, and what its parts say of each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Any

from sembench.plugins.registry import METRICS
from sembench.results.result import Result
from sembench.results.score import Measure
from sembench_leaderboard.entries.declared import declared
from sembench_leaderboard.submission.arithmetic import disagreements
from sembench_leaderboard.submission.problem import Wrong

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST = 10**9
_WORDING = frozenset({"title", "reference", "chance_is", "note"})
_PACKAGES = ("torch", "numpy", "zennit", "scikit-learn")


def claims(
    path: PurePosixPath, result: Result, measures: Mapping[str, Measure], *, accepted: bool = False
) -> Iterator[Wrong]:
    """Claims of a result that cannot be true; ``measures`` holds what known metrics mean.

    A result that was ``accepted`` before may be of an older sembench: its metrics may have older versions, and other
    words for the same version.
    """
    place = (result.suite, result.dataset, result.explainer, f"seed-{result.seed}.json")
    for field, claimed, lies in zip(("suite", "dataset", "explainer", "seed"), place, path.parts, strict=True):
        if claimed != lies:
            text = f"the file lies under {lies!r}, but holds {claimed!r}"
            yield Wrong(field, text, f"Move it to {'/'.join(place)}.")
    yield from _measures(result, measures, accepted=accepted)
    yield from _asked(result)
    yield from _provenance(result, accepted=accepted)
    yield from _costs(result)
    yield from disagreements(result)


def _measures(result: Result, measures: Mapping[str, Measure], *, accepted: bool) -> Iterator[Wrong]:
    """A metric means what this version of sembench says, not what the file says."""
    for name, score in result.scores.items():
        known = measures.get(name)
        if known is None and name in METRICS.names():
            continue  # it is declared in a way that cannot be read without running it; the verdict names it
        if known is None:
            remedy = "Leave it out of the suite, or submit the metric first; its name stands in no registry here."
            yield Wrong(f"scores.{name}", "is no metric of this version of sembench", remedy)
            continue
        if accepted and score.measure.version < known.version:
            continue
        for field in Measure.model_fields.keys() - (_WORDING if accepted else ()):
            mine, theirs = getattr(known, field), getattr(score.measure, field)
            if mine != theirs:
                text = f"is {theirs!r}, but this version of sembench has {mine!r}"
                yield Wrong(f"scores.{name}.measure.{field}", text, "Compute the run again with this version.")


def _asked(result: Result) -> Iterator[Wrong]:
    """Settings, hyper-parameters, kind and explained images say the same."""
    explainer = _table(result.settings, "explainer")
    if not isinstance(explainer.get("name"), str):
        yield Wrong("settings.explainer.name", "is missing")
        return
    kind = declared().kinds.get(explainer["name"], "explainer")
    if result.kind != kind:
        text = f"is {result.kind!r}, but {explainer['name']} counts as {kind!r}"
        yield Wrong("kind", text, "Submit it as what it is.")
    if not isinstance(explainer.get("parameters") or {}, dict):
        yield Wrong("settings.explainer.parameters", "is no table")
    for name, value in _table(explainer, "parameters").items():
        if name not in ("preset", "base"):
            yield from _differing("hyperparameters", name, result.hyperparameters, value)
    if (seed := result.settings.get("seed")) != result.seed:
        yield Wrong("settings.seed", f"is {seed!r} in the result of seed {result.seed}")
    images, size = result.explained_images, result.provenance.dataset_sizes.get("test", 0)
    wanted = result.evaluation.get("explained_images")
    if isinstance(wanted, int) and len(images) != min(wanted, size):
        yield Wrong("explained_images", f"names {len(images)} images, the settings ask for {min(wanted, size)}")
    if len(set(images)) != len(images) or not all(0 <= index < size for index in images):
        yield Wrong("explained_images", f"does not name distinct images of the {size} in the test split")


def _differing(where: str, name: str, used: Mapping[str, Any], asked: Any) -> Iterator[Wrong]:
    """A setting that is missing among those that were used, or has another value there."""
    if name not in used or used[name] != asked:
        found = repr(used[name]) if name in used else "missing"
        yield Wrong(f"{where}.{name}", f"is {found}, but the settings ask for {asked!r}")


def _table(settings: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = settings.get(key)
    return value if isinstance(value, dict) else {}


def _provenance(result: Result, *, accepted: bool) -> Iterator[Wrong]:
    """Everything that a repetition needs is there, and can be true."""
    origin = result.provenance
    for field in ("dataset_sha256", "backbone_sha256", "model_sha256"):
        if not _SHA256.fullmatch(getattr(origin, field)):
            yield Wrong(f"provenance.{field}", "is no SHA-256 in lower-case hexadecimal")
    here = version("sembench")
    if origin.sembench != here and not accepted:
        text = f"is {origin.sembench!r}, this is version {here!r}"
        yield Wrong("provenance.sembench", text, f"Compute the run again with sembench {here}.")
    for part in ("instrument", "explainer", "dataset", "backbone", *(f"metric {name}" for name in result.scores)):
        if not _SHA256.fullmatch(digest := origin.sources.get(part, "nothing")):
            remedy = "Put the code into a file (`--plugin path/to/file.py` or a package) and compute the run again."
            yield Wrong(f"provenance.sources.{part}", f"is {digest!r}, not the hash of source code", remedy)
    for package in _PACKAGES:
        if not re.match(r"\d", origin.packages.get(package, "")):
            yield Wrong(f"provenance.packages.{package}", "states no version")
    if not re.match(r"\d+\.\d+", origin.python):
        yield Wrong("provenance.python", f"{origin.python!r} is no version")
    if not origin.device.strip():
        yield Wrong("provenance.device", "is empty")
    yield from created("provenance.created", origin.created)
    for split in ("train", "test"):
        if origin.dataset_sizes.get(split, 0) < 1:
            yield Wrong(f"provenance.dataset_sizes.{split}", "is not a positive number")
    for field, least in {"classes": 2, "batch_size": 1, "threads": 1}.items():
        if not least <= getattr(origin, field) <= _MOST:
            yield Wrong(f"provenance.{field}", f"is {getattr(origin, field)}, {least} to {_MOST:,} is possible")
    if not origin.deterministic and origin.device == "cpu":
        yield Wrong("provenance.deterministic", "is false for a run on the CPU, where it is enforced")
    if not origin.dataset_licence.strip():
        yield Wrong("provenance.dataset_licence", "is empty", "State the licence where the data set is declared.")
    for name, value in {**_table(result.settings, "backbone"), **_table(result.settings, "training")}.items():
        yield from _differing("provenance.backbone_training", name, origin.backbone_training, value)


def created(field: str, text: str) -> Iterator[Wrong]:
    """Faults of the time at which a file claims to have been written."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        yield Wrong(field, f"{text!r} is no time in ISO 8601")
        return
    if time.tzinfo is None:
        yield Wrong(field, f"{text!r} names no time zone")
    elif time > datetime.now(UTC) + timedelta(days=1):
        yield Wrong(field, f"{text!r} lies in the future", "Set the clock, and write the file again.")


def _costs(result: Result) -> Iterator[Wrong]:
    for name, value in result.cost.model_dump().items():
        if value is not None and value < 0:
            yield Wrong(f"cost.{name}", f"is {value}, below 0")
        elif value == 0 and name in ("parameters", "peak_memory_bytes"):
            yield Wrong(f"cost.{name}", "is 0, which no run can be")
    own, every = result.cost.own_parameters, result.cost.parameters
    if own > every:
        yield Wrong("cost.own_parameters", f"is {own}, more than all {every} parameters")
    told, named = result.cost.hyperparameters, len(result.hyperparameters)
    if told != named:
        yield Wrong("cost.hyperparameters", f"is {told}, but {named} hyper-parameters are named")
