"""Recording rounds: each in a fresh process, with the workloads of this sembench and the code of some tree.

Two trees are measured by the same workloads, whatever workloads the trees themselves hold: on the path, the package
`sembench` that is running comes first and the tree second, so that `benchmark`, `baselines` and `leaderboard` are the
tree's. Plugins by name are those that are installed.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmark.errors import SembenchError
from sembench.bench.recording import Recording, Round

PACKAGE = Path(__file__).resolve().parents[1]
HERE = PACKAGE.parent
"""Where this sembench and the packages beside it lie."""


class RoundFailed(SembenchError):
    """A round ended without an answer."""


def record(
    trees: dict[str, Path], *, rounds: int, only: Sequence[str] = (), say: Callable[[str], None] = lambda text: None
) -> list[Recording]:
    """Measures trees in turn: the first starts odd rounds, the last starts even ones.

    Args:
        trees: Folders of source code, by what they are called; one, or two to be compared.
        rounds: Rounds of each.
        only: Names of workloads; all if empty.
        say: Told what is going on.

    Returns:
        One recording for each tree, all of one session.

    Raises:
        RoundFailed: If a process fails.
    """
    found: dict[str, list[Round]] = {name: [] for name in trees}
    with tempfile.TemporaryDirectory() as folder:
        instrument = Path(folder, "instrument")
        instrument.mkdir()
        (instrument / "sembench").symlink_to(PACKAGE, target_is_directory=True)
        for number in range(rounds):
            for name in list(trees)[:: 1 if number % 2 == 0 else -1]:
                say(f"round {number + 1} of {rounds}: {name}")
                found[name].append(_round(trees[name].resolve(), instrument, Path(folder), only))
    session, machine = secrets.token_hex(8), machine_facts()
    return [Recording(tree=name, session=session, machine=machine, rounds=found[name]) for name in trees]


def _round(tree: Path, instrument: Path, folder: Path, only: Sequence[str]) -> Round:
    request, answer = folder / "request.json", folder / "answer.json"
    request.write_text(json.dumps({"only": list(only), "tree": str(tree)}), "utf-8")
    answer.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(instrument), str(tree)])}
    command = [sys.executable, "-P", "-m", "sembench.bench.round", str(request), str(answer)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or not answer.exists():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise RoundFailed(f"measuring {tree} failed: {last}. Is it a tree of sembench's source code?")
    return Round.model_validate_json(answer.read_bytes())


def machine_facts() -> dict[str, str]:
    """What numbers depend on: processor, cores, threads, versions."""
    from benchmark.cost import hardware

    facts = {name: str(value) for name, value in hardware().items()}
    packages = {name: version(name) for name in ("torch", "numpy", "scikit-learn")}
    return {
        **facts,
        "python": platform.python_version(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        **packages,
    }
