"""What stands on a board already? The base that a submission is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark.errors import SembenchError
from benchmark.results import Result
from leaderboard.submission.tree import WHOLE, Found, read_bytes, survey


@dataclass(frozen=True)
class Accepted:
    """The files of a base.

    Attributes:
        files: All of them.
        results: The results, by path.
        beside: Content of manifests and marks, by path.
    """

    files: tuple[Found, ...]
    results: Mapping[PurePosixPath, Result]
    beside: Mapping[PurePosixPath, bytes]


NOTHING = Accepted((), {}, {})


def accepted(base: Path) -> Accepted:
    """Reads a base. It was accepted once: only that all of it can be read is asked of it.

    Raises:
        SembenchError: If some of it cannot be read, so that a change of it would not be seen.
    """
    files, complaints = survey(base)
    for complaint in complaints:
        if complaint.file == "." or complaint.field == WHOLE:
            raise SembenchError(f"the base cannot be read: {complaint}")
    results, beside = {}, {}
    for file in files:
        try:
            data = read_bytes(base, file.path)
            if file.role == "result":
                results[file.path] = Result.model_validate_json(data)
            else:
                beside[file.path] = data
        except (OSError, ValueError) as error:
            raise SembenchError(f"the base's {file.path} cannot be read: {error}. Restore the base first.") from error
    return Accepted(tuple(files), results, beside)
