"""Facts that a reader needs above a table: data, black box, machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from statistics import fmean
from typing import Any, TypeVar

from sembench.results.result import Result
from sembench_leaderboard.entries.selection import in_words

T = TypeVar("T")

UNKNOWN = "not recorded"


def facts(results: Sequence[Result]) -> list[tuple[str, str]]:
    """What all results of one data set share, as pairs of a name and plain text; where they differ, every value.

    The recipe of the black box is whatever its training recorded; a name that is missing there is called not recorded.
    """
    seeds = sorted({result.seed for result in results})
    return [
        *_data(results),
        ("Seeds", f"{len(seeds)} ({', '.join(map(str, seeds))})"),
        ("Images", _images(results)),
        ("Black box", _black_box(results)),
        *_several_black_boxes(results),
        *_exceptions(results),
        ("Licence of the data", _each(results, _licence)),
        ("Computed with", _each(results, lambda r: f"sembench {r.provenance.sembench}, {r.provenance.device}")),
        *_other_sources(results),
    ]


def _data(results: Sequence[Result]) -> list[tuple[str, str]]:
    """What a label does not say: name and options of the data set, and how training images were varied."""
    told = []
    specs = [result.settings.get("dataset") for result in results]
    named = [spec for spec in specs if isinstance(spec, dict)]
    if any(spec.get("parameters") or spec["name"] != results[0].dataset for spec in named):
        told.append(("Data set", _each(named, _with_options)))
    if any(result.provenance.dataset_augmentation != "none" for result in results):
        told.append(("Augmentation in training", _each(results, lambda r: r.provenance.dataset_augmentation)))
    return told


def _with_options(spec: dict[str, Any]) -> str:
    def text(value: Any) -> str:
        return " ".join(map(str, value)) if isinstance(value, list) else str(value)

    options = "; ".join(f"{name}: {text(value)}" for name, value in sorted(spec.get("parameters", {}).items()))
    return f"{spec['name']} ({options})" if options else str(spec["name"])


def _licence(result: Result) -> str:
    name, free = result.provenance.dataset_licence or UNKNOWN, result.provenance.dataset_licence_open
    return name if free is None else f"{name} ({'free' if free else 'not free'})"


def _images(results: Sequence[Result]) -> str:
    def size(split: str) -> str:
        return _each(results, lambda result: _count(result.provenance.dataset_sizes.get(split)))

    explained = _each(results, lambda result: _count(len(result.explained_images)))
    classes = _each(results, lambda result: _count(result.provenance.classes))
    return f"{size('train')} to train, {size('test')} to test, {explained} of these explained; {classes} classes"


def _black_box(results: Sequence[Result]) -> str:
    recipes = [result.provenance.backbone_training for result in results]
    keys = {key for recipe in recipes for key, value in recipe.items() if not isinstance(value, (dict, list))}
    ordered = ["weights", "epochs", *sorted(keys - {"name", "weights", "epochs"})]
    parts = [f"{key.replace('_', ' ')}: {_each(recipes, partial(_plain, key))}" for key in ordered]
    seconds = {r.provenance.backbone_sha256: r.cost.backbone_seconds for r in results}
    trained = f"trained in {fmean(seconds.values()):.3g} s" + (f", mean of {len(seconds)}" if len(seconds) > 1 else "")
    return f"{_each(recipes, partial(_plain, 'name'))} ({'; '.join(parts)}), {trained}"


def _several_black_boxes(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Entries from different machines: each is compared with the black box that was trained beside it."""
    boxes: dict[int, dict[str, set[str]]] = {}
    for result in results:
        boxes.setdefault(result.seed, {}).setdefault(result.provenance.backbone_sha256, set()).add(result.explainer)
    apart = set()
    for own in boxes.values():
        _, *others = sorted(own.values(), key=len, reverse=True)  # the one that most entries share is the usual one
        apart |= set().union(*others)
    if not apart:
        return []
    text = "trained on another machine from the same recipe; these entries are compared with it"
    return [("Another black box", f"{', '.join(sorted(apart))}: {text}")]


def _exceptions(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Promises that entries declare not to keep, each with its reason."""
    declared = {(r.explainer, check, why) for r in results for check, why in r.provenance.exceptions.items()}
    return [("Declared exception", f"{entry}: {check}: {why}") for entry, check, why in sorted(declared)]


def _other_sources(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Entries whose seeds were computed by different source code: a changed method has no version, a metric has one."""
    known: dict[str, set[str]] = {}
    for result in results:
        known.setdefault(result.explainer, set()).add(result.provenance.sources.get("explainer", ""))
    mixed = sorted(entry for entry, hashes in known.items() if len(hashes) > 1)
    who = "all entries" if len(mixed) == len(known) > 1 else ", ".join(mixed)
    text = "their seeds were computed by different versions of the method's source code, its documentation included"
    return [("Source code", f"{who}: {text}")] if mixed else []


def _plain(key: str, recipe: dict[str, Any]) -> str:
    if key not in recipe:
        return UNKNOWN
    return "none" if recipe[key] is None else str(recipe[key])


def _count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def _each(items: Iterable[T], read: Callable[[T], str]) -> str:
    """The distinct values of all items, in order of appearance."""
    return " / ".join(dict.fromkeys(read(item) for item in items))


Environment = tuple[tuple[str, str], ...]


def environment(result: Result) -> Environment:
    """Software, device and settings of the machine that a result was computed on, as printed."""
    own = result.provenance
    packages = ", ".join(f"{name} {version}" for name, version in sorted(own.packages.items()))
    hardware = "; ".join(f"{name.replace('_', ' ')}: {in_words(value)}" for name, value in sorted(own.hardware.items()))
    told = [
        ("sembench", own.sembench),
        ("Python", own.python),
        ("Packages", packages),
        ("Device", own.device),
        ("CPU threads", str(own.threads)),
        ("Deterministic algorithms", "enforced" if own.deterministic else "not enforced"),
        ("Images per forward pass", str(own.batch_size)),
        ("Hardware", hardware),
    ]
    return tuple((name, text) for name, text in told if text)


def environments(results: Iterable[Result]) -> dict[Environment, int]:
    """The environments of these results, numbered from 1 in order of appearance."""
    numbers: dict[Environment, int] = {}
    for result in results:
        numbers.setdefault(environment(result), len(numbers) + 1)
    return numbers
