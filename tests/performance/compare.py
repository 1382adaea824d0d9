"""Times the benchmarks of two revisions in turn, each with its own code, and compares them with pytest-benchmark.

Both use the virtual environment of this process; a worktree's source roots come first on the path of its imports.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOTS = ("benchmark", "baselines", "leaderboard")


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def check_out(revision, folder, stack):
    """A worktree of a revision, removed when the stack closes; raises `SystemExit` where it cannot be timed."""
    try:
        commit = git("rev-parse", "--verify", f"{revision}^{{commit}}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {revision!r} is no revision of this repository: {error.stderr.strip()}")
    git("worktree", "add", "--detach", str(folder), commit)
    stack.callback(git, "worktree", "remove", "--force", str(folder))
    missing = [name for name in (*ROOTS, "tests/performance") if not (folder / name).is_dir()]
    if missing or not (folder / "benchmark/sembench").is_dir():
        sys.exit(f"error: {revision} ({commit[:7]}) cannot be timed: it has another layout, without benchmark/sembench")
    return folder, commit[:7]


def measure(worktree, name, storage):
    """Runs the benchmarks of a worktree once and returns pytest-benchmark's file; some may fail, not all."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join(str(worktree / root) for root in ROOTS)
    options = ["--benchmark-enable", "--benchmark-only", f"--benchmark-save={name}", f"--benchmark-storage={storage}"]
    command = [sys.executable, "-m", "pytest", "-q", "tests/performance", *options]
    done = subprocess.run(command, cwd=worktree, env=environment, capture_output=True, text=True)
    last = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]
    files = sorted(storage.glob(f"*/*_{name}.json"))
    if not files:
        sys.exit(f"error: {name}: the benchmarks cannot be run: {last}")
    print(f"{name}: {last}", flush=True)
    return files[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revisions", nargs=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--storage", type=Path, required=True)
    parser.add_argument("--summary", type=Path, help="a file that the table is added to, as Markdown")
    given = parser.parse_args()
    storage, made = given.storage.resolve(), []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides = [
            check_out(one, folder / side, stack) for one, side in zip(given.revisions, ("base", "head"), strict=True)
        ]
        for number in range(1, given.rounds + 1):
            made += [measure(tree, f"{tree.name}-{number}-{commit}", storage) for tree, commit in sides]
    columns = ["--columns=min,median,iqr,rounds", "--sort=name", f"--csv={storage / 'comparison.csv'}"]
    command = [sys.executable, "-m", "pytest_benchmark", "compare", "--group-by=name", *columns, *made]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(table)
    if given.summary:
        with given.summary.open("a", encoding="utf-8") as file:
            file.write(f"## {' against '.join(given.revisions)}\n\n```text\n{table}```\n")


if __name__ == "__main__":
    main()
