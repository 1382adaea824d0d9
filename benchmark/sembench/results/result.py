"""The file that one run of the benchmark leaves: numbers, what they mean, and where they come from.

A result is one JSON file at ``<root>/<suite>/<data set>/<explainer>/seed-<n>.json``. It is written under a temporary
name and renamed, so a result that exists is complete; a missing file means *not run*. This module imports no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, ValidationError, model_validator

from sembench.errors import ResultDamaged
from sembench.files import write_atomically
from sembench.plugins.registry import LONGEST_NAME, NAME
from sembench.results.score import Number, Score, Strict
from sembench.results.scorecard import html

Kind = Literal["explainer", "control", "reference"]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=NAME)]


class Cost(Strict):
    """Costs of a run. Counts are exact and comparable; seconds only among runs on one machine.

    Attributes:
        backbone_seconds: Time to train the backbone, s (as measured when it was trained).
        fit_seconds: Time to fit the explainer, s (as measured when it was fitted).
        fit_passes: Forward passes (calls of the network) during the fit.
        fit_images: Images through the network during the fit.
        predict_seconds_per_image: Throughput: time to classify the explained images in batches, over their number, s;
            ``None`` where there was nothing to fit.
        predict_seconds_single: Latency, as [K] Table 12 has it: time to classify a single image, in a batch of one, s,
            the median of several; ``None`` where there was nothing to fit, or in results that did not record it.
        explain_seconds_per_image: Throughput: time to show the maps of the explained images in batches, over their
            number, s; ``None`` without attribution.
        explain_seconds_single: Latency: time to show the map of a single image, s, the median of several; ``None``
            without attribution, or in results that did not record it.
        explain_images: Images through the network to show the map of one image; ``None`` without attribution.
        evaluation_passes: Forward passes of the whole evaluation, without those that are made only to be timed.
        evaluation_images: Images through the network in these passes.
        peak_memory_bytes: Peak resident memory of the process so far (CPU), or allocated (GPU), bytes.
        parameters: Parameters and buffers of the fitted model, backbone included.
        own_parameters: Those that the explainer added to the backbone.
        hyperparameters: Number of hyper-parameters of the explainer's recipe.
    """

    backbone_seconds: Number
    fit_seconds: Number
    fit_passes: int
    fit_images: int
    predict_seconds_per_image: Number | None
    explain_seconds_per_image: Number | None
    predict_seconds_single: Number | None = None
    explain_seconds_single: Number | None = None
    explain_images: Number | None
    evaluation_passes: int
    evaluation_images: int
    peak_memory_bytes: int
    parameters: int
    own_parameters: int
    hyperparameters: int

    @property
    def training_seconds(self) -> float:
        """Full training time, as [K] Table 11 has it: the fit, and the black box's training where the entry needs it.

        It does not where it trains a network of its own: all that the model holds, the explainer added.
        """
        own_network = self.own_parameters == self.parameters
        return self.fit_seconds + (0 if own_network else self.backbone_seconds)


class Provenance(Strict):
    """Origin of the numbers.

    Attributes:
        created: UTC time of writing, ISO 8601.
        sembench: Version of this package.
        python: Version of the interpreter.
        packages: Versions of the packages that numbers depend on.
        sources: SHA-256 of the source files of explainer, metrics, data set and instrument.
        dataset_sha256: Hash of images, labels and split.
        dataset_statistics: Normalisation computed from the training set: ``mean`` and ``std`` per channel.
        dataset_sizes: Images in the ``train`` and ``test`` split.
        dataset_licence: Licence of the data.
        dataset_licence_open: Whether that licence is free; ``None`` in results that did not record it.
        dataset_augmentation: How training images were varied.
        classes: Number of classes.
        backbone_sha256: Hash of the trained weights that this entry is paired with.
        model_sha256: Hash of what the explainer fitted.
        backbone_training: The training recipe, as it was run.
        device: ``cpu`` or the name of the GPU.
        threads: CPU threads of torch.
        deterministic: Whether deterministic algorithms were enforced.
        batch_size: Images per forward pass of the evaluation.
        hardware: Processor, operating system and memory.
        seeds: The integers drawn from the run's seed, by purpose.
        exceptions: Promises of `sembench.testing` that the explainer declares not to keep, and why.
        notes: What a reader should know of data set and black box before believing the numbers; none in results that
            did not record it.
    """

    created: str
    sembench: str
    python: str
    packages: dict[str, str]
    sources: dict[str, str]
    dataset_sha256: str
    dataset_statistics: dict[str, tuple[Number, ...]]
    dataset_sizes: dict[str, int]
    dataset_licence: str
    dataset_licence_open: bool | None = None
    dataset_augmentation: str = "none"
    classes: int
    backbone_sha256: str
    model_sha256: str
    backbone_training: dict[str, JsonValue]
    device: str
    threads: int
    deterministic: bool
    batch_size: int
    hardware: dict[str, JsonValue]
    seeds: dict[str, int]
    exceptions: dict[str, str] = {}
    notes: tuple[str, ...] = ()


class Result(Strict):
    """One run: one explainer on one data set with one seed.

    Attributes:
        schema_version: Version of this schema.
        suite: Name of the suite.
        dataset: Label of the data set on the board.
        explainer: Label of the entry on the board.
        kind: ``explainer``, ``control`` (an entry with a known answer) or ``reference`` (the black box).
        seed: Seed of the run.
        identity: SHA-256 of ``settings``: two results with the same identity answer the same question.
        settings: All that was asked for: explainer, data set, backbone, training, evaluation, metrics.
        hyperparameters: The explainer's recipe with every default resolved.
        explained_images: Data set indices of the test images that were explained.
        scores: Scores by metric.
        cost: What it cost.
        provenance: Where the numbers come from.
    """

    schema_version: Literal[1] = 1
    suite: Name
    dataset: Name
    explainer: Name
    kind: Kind
    seed: Annotated[int, Field(ge=0)]
    identity: str
    settings: dict[str, JsonValue]
    hyperparameters: dict[str, JsonValue]
    explained_images: tuple[int, ...]
    scores: dict[str, Score]
    cost: Cost
    provenance: Provenance

    @property
    def evaluation(self) -> dict[str, JsonValue]:
        """How it was asked to be evaluated: ``settings.evaluation``; empty where that is missing or no table."""
        asked = self.settings.get("evaluation")
        return asked if isinstance(asked, dict) else {}

    def _repr_html_(self) -> str:
        title = f"{self.explainer} on {self.dataset}, seed {self.seed} (suite {self.suite})"
        return html(title, self.scores)

    @model_validator(mode="after")
    def _identity_holds(self) -> Result:
        expected = digest(self.settings)
        if self.identity != expected:
            raise ValueError(f"identity is {self.identity[:12]}..., but the settings hash to {expected[:12]}...")
        return self


def digest(settings: Mapping[str, Any]) -> str:
    """SHA-256 of settings in canonical JSON (sorted keys, no white space, 1.0 as 1), in hexadecimal."""
    text = json.dumps(_plain(settings), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def result_path(root: Path, suite: str, dataset: str, explainer: str, seed: int) -> Path:
    """Where the result of a run lies below ``root``."""
    return root / suite / dataset / explainer / f"seed-{seed}.json"


def _plain(value: Any) -> Any:
    """Whole floats become integers: a 0/1 series of 10,000 images shrinks to half its size, exactly."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def write_result(root: Path, result: Result) -> Path:
    """Writes a result to its place below ``root`` and returns the path. Raises `DiskFull`, `NotWritable`."""
    path = result_path(root, result.suite, result.dataset, result.explainer, result.seed)
    content = json.dumps(_plain(result.model_dump(mode="python")), indent=None, separators=(",", ":"), allow_nan=False)
    write_atomically(path, content.encode() + b"\n")
    return path


def wrong_fields(error: ValidationError, whole: str) -> str:
    """Every field that does not pass, with the reason, in one line; ``whole`` stands for a check of all of them."""
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or whole}: {item['msg']}" for item in found)


def read_result(path: Path) -> Result:
    """Reads one result file strictly.

    Raises:
        ResultDamaged: If the file is not JSON, breaks the schema, or lies where another result should; the message
            names the file and the first wrong field.
    """
    try:
        result = Result.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file as a whole"
        raise ResultDamaged(
            f"{path}: {field}: {first['msg']}. Restore it from where it was copied, or move it away and "
            "compute it again."
        ) from error
    except OSError as error:
        raise ResultDamaged(f"{path} cannot be read: {error.strerror}.") from error
    place = (result.suite, result.dataset, result.explainer, f"seed-{result.seed}.json")
    if path.parts[-4:] != place:
        raise ResultDamaged(f"{path} holds the result of {'/'.join(place)}; move it there.")
    return result
