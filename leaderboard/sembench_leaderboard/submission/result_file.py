"""Is one result file what it claims to be? Its schema, its place, its provenance, its ranges, its own arithmetic."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from sembench.results.result import Measure, Result
from sembench_leaderboard.submission.arithmetic import disagreements
from sembench_leaderboard.submission.complaint import Complaint
from sembench_leaderboard.submission.declared import declared
from sembench_leaderboard.submission.files import WHOLE
from sembench_leaderboard.submission.strict_json import Wrong, parse

SHA256 = re.compile(r"[0-9a-f]{64}")
_PER_FILE = 8
"""So many complaints about one file are shown; the others are counted."""

_RERUN = "Compute the cell again with `sembench run --refresh`; results are not edited by hand."
_MOST = 10**9
_PACKAGES = ("torch", "numpy", "zennit", "scikit-learn")


def read(path: PurePosixPath, data: bytes, measures: Mapping[str, Measure]) -> tuple[Result | None, list[Complaint]]:
    """One result file, and what is wrong with it; there is a result only if it keeps the schema.

    Args:
        path: The file, relative to the folder that was submitted.
        data: Its content.
        measures: What metrics mean that sembench does not declare itself, e.g. those of the base.
    """
    _, wrong = parse(data)
    if wrong:
        return None, _limited(path, wrong)
    try:
        result = Result.model_validate_json(data)
    except ValidationError as error:
        return None, _limited(path, [_schema(item) for item in error.errors(include_url=False, include_input=False)])
    return result, _limited(path, list(_claims(path, result, {**measures, **declared().measures})))


def _schema(item: Mapping[str, Any]) -> Wrong:
    field = ".".join(str(part) for part in item["loc"]) or WHOLE
    return field, str(item["msg"]).removesuffix("."), _RERUN


def _limited(path: PurePosixPath, wrong: list[Wrong]) -> list[Complaint]:
    complaints = [Complaint(str(path), *item) for item in wrong[:_PER_FILE]]
    if len(wrong) > _PER_FILE:
        complaints.append(Complaint(str(path), WHOLE, f"holds {len(wrong) - _PER_FILE} more errors", _RERUN))
    return complaints


def _claims(path: PurePosixPath, result: Result, measures: Mapping[str, Measure]) -> Iterator[Wrong]:
    place = (result.suite, result.dataset, result.explainer, f"seed-{result.seed}.json")
    for field, claimed, lies in zip(("suite", "dataset", "explainer", "seed"), place, path.parts, strict=True):
        if claimed != lies:
            yield field, f"the file lies under {lies!r}, but holds {claimed!r}", f"Move it to {'/'.join(place)}."
    yield from _measures(result, measures)
    yield from _asked(result)
    yield from _provenance(result)
    yield from _costs(result)
    yield from disagreements(result)


def _measures(result: Result, measures: Mapping[str, Measure]) -> Iterator[Wrong]:
    """A metric means what this version of sembench says, not what the file says."""
    for name, score in result.scores.items():
        known = measures.get(name)
        if known is None:
            remedy = "Leave it out of the suite, or submit the metric first; its name stands in no registry here."
            yield f"scores.{name}", "is no metric of this version of sembench", remedy
            continue
        for field in Measure.model_fields:
            mine, theirs = getattr(known, field), getattr(score.measure, field)
            if mine != theirs:
                text = f"is {theirs!r}, but this version of sembench has {mine!r}"
                yield f"scores.{name}.measure.{field}", text, "Compute the cell again with this version."


def _asked(result: Result) -> Iterator[Wrong]:
    """Settings, hyper-parameters, kind and explained images say the same."""
    settings: dict[str, Any] = result.settings
    explainer = settings.get("explainer")
    if not isinstance(explainer, dict) or not isinstance(explainer.get("name"), str):
        yield "settings.explainer.name", "is missing", _RERUN
        return
    kind = declared().kinds.get(explainer["name"], "explainer")
    if result.kind != kind:
        yield "kind", f"is {result.kind!r}, but {explainer['name']} counts as {kind!r}", "Submit it as what it is."
    for name, value in (explainer.get("parameters") or {}).items():
        if name in ("preset", "base"):
            continue
        if name not in result.hyperparameters:
            yield f"hyperparameters.{name}", f"is missing, but the settings ask for {value!r}", _RERUN
        elif (used := result.hyperparameters[name]) != value:
            text = f"is {used!r}, but the settings ask for {value!r}"
            yield f"hyperparameters.{name}", text, _RERUN
    if settings.get("seed") != result.seed:
        yield "settings.seed", f"is {settings.get('seed')!r} in the result of seed {result.seed}", _RERUN
    images, size = result.explained_images, result.provenance.dataset_sizes.get("test", 0)
    wanted = result.evaluation.get("explained_images")
    if isinstance(wanted, int) and len(images) != min(wanted, size):
        yield "explained_images", f"names {len(images)} images, the settings ask for {min(wanted, size)}", _RERUN
    if len(set(images)) != len(images) or not all(0 <= index < size for index in images):
        yield "explained_images", f"does not name distinct images of the {size} in the test split", _RERUN


def _provenance(result: Result) -> Iterator[Wrong]:
    """What a repetition needs is there, and can be true."""
    told = result.provenance
    for field in ("dataset_sha256", "backbone_sha256", "model_sha256"):
        if not SHA256.fullmatch(getattr(told, field)):
            yield f"provenance.{field}", "is no SHA-256 in lower-case hexadecimal", _RERUN
    here = version("sembench")
    if told.sembench != here:
        remedy = f"Compute the cell again with sembench {here}."
        yield "provenance.sembench", f"is {told.sembench!r}, this is version {here!r}", remedy
    yield from _sources(result)
    for package in _PACKAGES:
        if not re.match(r"\d", told.packages.get(package, "")):
            yield f"provenance.packages.{package}", "states no version", _RERUN
    if not re.match(r"\d+\.\d+", told.python):
        yield "provenance.python", f"{told.python!r} is no version", _RERUN
    if not told.device.strip():
        yield "provenance.device", "is empty", _RERUN
    yield from created("provenance.created", told.created)
    for split in ("train", "test"):
        if told.dataset_sizes.get(split, 0) < 1:
            yield f"provenance.dataset_sizes.{split}", "is not a positive number", _RERUN
    for field, least in {"classes": 2, "batch_size": 1, "threads": 1}.items():
        if not least <= getattr(told, field) <= _MOST:
            yield f"provenance.{field}", f"is {getattr(told, field)}, {least} to {_MOST:,} is possible", _RERUN
    if not told.deterministic and told.device == "cpu":
        yield "provenance.deterministic", "is false for a run on the CPU, where it is enforced", _RERUN
    if not told.dataset_licence.strip():
        yield "provenance.dataset_licence", "is empty", "State the licence where the data set is declared."
    settings: dict[str, Any] = result.settings
    asked = {**_dict(settings.get("backbone")), **_dict(settings.get("training"))}
    for name, value in asked.items():
        if told.backbone_training.get(name) != value:
            text = f"is {told.backbone_training.get(name)!r}, but the settings ask for {value!r}"
            yield f"provenance.backbone_training.{name}", text, _RERUN


def _sources(result: Result) -> Iterator[Wrong]:
    parts = ("instrument", "explainer", "dataset", "backbone", *(f"metric {name}" for name in result.scores))
    for part in parts:
        digest = result.provenance.sources.get(part, "nothing")
        if not SHA256.fullmatch(digest):
            remedy = "Put the code into a file (`--plugin path/to/file.py` or a package) and compute the cell again."
            yield f"provenance.sources.{part}", f"is {digest!r}, not the hash of source code", remedy


def created(field: str, text: str) -> Iterator[Wrong]:
    """What is wrong with the time at which a file says that it was written."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        yield field, f"{text!r} is no time in ISO 8601", _RERUN
        return
    if time.tzinfo is None:
        yield field, f"{text!r} names no time zone", _RERUN
    elif time > datetime.now(UTC) + timedelta(days=1):
        yield field, f"{text!r} lies in the future", "Set the clock, and write the file again."


def _costs(result: Result) -> Iterator[Wrong]:
    for name, value in result.cost.model_dump().items():
        if value is not None and value < 0:
            yield f"cost.{name}", f"is {value}, below 0", _RERUN
    if result.cost.own_parameters > result.cost.parameters:
        text = f"is {result.cost.own_parameters}, more than all {result.cost.parameters} parameters"
        yield "cost.own_parameters", text, _RERUN
    if result.cost.hyperparameters != len(result.hyperparameters):
        text = f"is {result.cost.hyperparameters}, but {len(result.hyperparameters)} hyper-parameters are named"
        yield "cost.hyperparameters", text, _RERUN
    for name in ("parameters", "peak_memory_bytes"):
        if getattr(result.cost, name) == 0:
            yield f"cost.{name}", "is 0, which no run can be", _RERUN


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
