"""One round, in a process of its own: `python -m sembench.bench.round REQUEST ANSWER`, both JSON files."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from sembench.bench.recording import Round
from sembench.bench.stage import Stage
from sembench.bench.tally import tally
from sembench.bench.workloads import LeftOut, Work, modules_at_start, workloads

LEAST, MOST, SPENT = 2, 7, 0.6
"""Runs of a workload: at least, at most, and the seconds after which there is no further one."""


def measure(names: list[str], tree: Path | None = None) -> Round:
    """Measures workloads in this process, each once to count and warm up, then a few times for its least time.

    Args:
        names: Which; all if empty.
        tree: Where `sembench --help` is started from; by default from this process's own modules.
    """
    seconds: dict[str, float] = {}
    counts: dict[str, dict[str, int]] = {}
    scores: dict[str, list[float]] = {}
    left_out: dict[str, str] = {}
    stage = Stage()
    for name, prepare in workloads().items():
        if names and name not in names:
            continue
        try:
            work = prepare(stage, tree) if name == "start" else prepare(stage)
            counts[name], scores[name] = _counted(work)
            seconds[name] = _least(work.run)
        except LeftOut as reason:
            left_out[name] = str(reason)
        except Exception as error:  # noqa: BLE001  # the other tree may not have what this one measures
            left_out[name] = f"{type(error).__name__}: {error}"
    if "start" in seconds:
        counts["start"] = {"modules": len(modules_at_start(tree))}
    return Round(seconds=seconds, counts=counts, scores=scores, left_out=left_out)


def _counted(work: Work) -> tuple[dict[str, int], list[float]]:
    numbers: list[float] = []

    def once() -> None:
        found = work.run()
        if found is not None:
            numbers.extend(found.double().flatten().tolist())

    return tally(once, work.network).counts(), numbers


def _least(run: Callable[[], object]) -> float:
    found: list[float] = []
    while len(found) < LEAST or (len(found) < MOST and sum(found) < SPENT):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return min(found)


def main() -> None:
    """Reads a request, measures, writes the answer."""
    warnings.simplefilter("ignore")
    request = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    answer = measure(request["only"], Path(request["tree"]))
    Path(sys.argv[2]).write_text(answer.model_dump_json(), "utf-8")


if __name__ == "__main__":
    main()
