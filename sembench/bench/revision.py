"""The files of a revision, in a folder of their own. Nothing is left in the repository, however the process ends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmark.errors import SembenchError


class NoRevision(SembenchError):
    """A revision that git does not know."""


def check_out(revision: str, folder: Path) -> str:
    """Writes the files of a revision of the repository around the working folder.

    Args:
        revision: Whatever git takes: a branch, a tag, a hash, ``HEAD~1``.
        folder: An empty folder.

    Returns:
        Its name in words: what was asked for, and the first twelve digits of its hash.

    Raises:
        NoRevision: If git is missing, this is no repository, or there is no such revision.
    """
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", asked=revision)
    top = _git("rev-parse", "--show-toplevel", asked=revision)
    files = folder / "files"
    files.mkdir()
    index = {"GIT_INDEX_FILE": str(folder / "index")}
    _git("-C", top, "read-tree", commit, asked=revision, environment=index)
    _git("-C", top, "checkout-index", "--all", f"--prefix={files}/", asked=revision, environment=index)
    return f"{revision} ({commit[:12]})"


def _git(*arguments: str, asked: str, environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "").strip() or "no such revision here"
        raise NoRevision(
            f"{asked!r} is no revision of a git repository around this folder ({said}), nor a file or folder of "
            "recorded benchmarks. Give a branch, a tag, a commit, or what `sembench bench record` wrote."
        ) from error
    return done.stdout.strip()
