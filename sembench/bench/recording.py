"""What was measured of one tree of source code: seconds in several rounds, exact counts, scores of a tiny run."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.errors import SembenchError


class RecordingInvalid(SembenchError):
    """A file or folder of recorded benchmarks that cannot be read, or does not belong together."""


class Round(BaseModel):
    """One process: every workload, run a few times.

    Attributes:
        seconds: By workload, the least time of its runs, s.
        counts: By workload, what is exact: passes, images, operations, bytes, modules.
        scores: By workload, numbers that must not change.
        left_out: By workload, why it could not run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    seconds: dict[str, float]
    counts: dict[str, dict[str, int]]
    scores: dict[str, list[float]]
    left_out: dict[str, str] = {}


class Recording(BaseModel):
    """Rounds of one tree.

    Attributes:
        tree: What was measured, in words: a revision, or "working tree".
        session: Shared by recordings whose rounds took turns; only these are compared round by round.
        machine: Processor, cores, versions.
        rounds: In the order in which they ran.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    format: int = 1
    tree: str
    session: str
    machine: dict[str, str]
    rounds: list[Round]


def read_recording(path: Path) -> Recording:
    """A recording from a JSON file, or the rounds of all JSON files of a folder, in order of their names.

    Raises:
        RecordingInvalid: If there is none, it is no recording, or a folder mixes trees or machines.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise RecordingInvalid(f"{path} holds no JSON file. `sembench bench record` writes them.")
    found = [_read(file) for file in files]
    first = found[0]
    for file, other in zip(files, found, strict=True):
        if (other.tree, other.machine) != (first.tree, first.machine):
            raise RecordingInvalid(
                f"{file} is of {other.tree}, {files[0]} of {first.tree}, or of another machine. Keep one tree on one "
                "machine in a folder, or name a file."
            )
    session = first.session if len(found) == 1 else ""
    return first.model_copy(update={"session": session, "rounds": [one for other in found for one in other.rounds]})


def _read(path: Path) -> Recording:
    try:
        found = Recording.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).replace("\n", " ")
        raise RecordingInvalid(
            f"{path} is no recorded benchmark: {reason}. `sembench bench record` writes one."
        ) from error
    if found.format != 1 or not found.rounds:
        raise RecordingInvalid(
            f"{path} has format {found.format} and {len(found.rounds)} rounds; wanted are 1 and some."
        )
    return found
