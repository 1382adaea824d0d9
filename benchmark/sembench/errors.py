"""The errors of sembench, as a tree: catch the branch that you can do something about.

    SembenchError
    ├── UnknownName          a name that no registry, suite or data set knows
    ├── NameTaken            a second object under a name that is in use
    ├── PluginBroken         a plugin that is registered but cannot be loaded
    ├── SuiteInvalid         a suite file or a setting that cannot be used
    ├── DataMissing          a data set that is not where it was looked for
    ├── DataDamaged          a data set whose files are not what was published
    ├── FitImpossible        data that an explainer cannot be fitted to
    ├── BackboneUnfit        a network that is not of the form blocks - pool - linear layer
    ├── ContractBroken       an explainer or a metric whose output breaks its promise
    ├── NotOffered           something that a method does not show, asked of it
    │   └── RelevanceUndefined   a step of a network that relevance cannot be carried through
    ├── ResultDamaged        a result file that cannot be read
    ├── ResultsMixed         results that must not stand on one board
    ├── ResultStale          a result of other settings where a new one should go
    ├── CacheDamaged         a cached model that cannot be read (callers compute it again)
    ├── ModelDamaged         a saved model that cannot be read, or answers otherwise than when it was saved
    ├── FolderBusy           an output folder that another process is writing to
    ├── NotWritable          a file or folder that must not or cannot be written to
    └── DiskFull             no room left for a result or a model

Every message says what was given, what is accepted, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return str(error).strip().partition("\n")[0]


def in_one_line(error: BaseException) -> str:
    """The kind of an error and the first line of what it says, without a full stop."""
    said = first_line(error).rstrip(".")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


class SembenchError(Exception):
    """Base of every error that sembench raises on purpose."""


class UnknownName(SembenchError):
    """A name that nothing is registered under.

    Args:
        kind: What was looked up, e.g. ``"explainer"``.
        name: The name as given.
        known: The names that would have been accepted.
        advice: What else to do, after a space.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], advice: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
        listing = ", ".join(names) if names else "none"
        super().__init__(f"unknown {kind} {name!r}. {hint}Known: {listing}.{advice}")


class NameTaken(SembenchError):
    """A second object under a name that is in use."""


class PluginBroken(SembenchError):
    """A plugin that is registered but cannot be imported or is not what it claims to be."""


class SuiteInvalid(SembenchError):
    """A suite file or a command-line setting that cannot be used."""


class DataMissing(SembenchError):
    """A data set that is not where it was looked for."""


class DataDamaged(SembenchError):
    """A data set whose files are not what was published."""


class FitImpossible(SembenchError):
    """Data that an explainer cannot be fitted to, e.g. fewer images in a class than prototypes."""


class BackboneUnfit(SembenchError):
    """A network that cannot be taken apart into blocks, a pool and a linear layer."""


class ContractBroken(SembenchError):
    """An explainer or a metric whose output has a wrong shape, is not finite, or breaks another promise."""


class NotOffered(SembenchError):
    """Something optional that a method does not show; the message is a sentence for the readers of its figures."""


class RelevanceUndefined(NotOffered):
    """A step of a network that relevance cannot be carried through; the message is a sentence that names it."""


class ResultDamaged(SembenchError):
    """A result file that is not valid JSON, breaks the schema, or lies in the wrong place."""


class ResultsMixed(SembenchError):
    """Results that must not stand on one board, e.g. two versions of a metric."""


class ResultStale(SembenchError):
    """A result of other settings stands where a new one should go."""


class CacheDamaged(SembenchError):
    """A cached model that cannot be read; callers compute it again."""


class ModelDamaged(SembenchError):
    """A saved model that cannot be read, is of a later version, or answers otherwise than when it was saved."""


class FolderBusy(SembenchError):
    """An output folder that another process is writing to."""


class NotWritable(SembenchError):
    """A place for output that cannot be written to: no permission, or a file where a folder should be."""


class DiskFull(SembenchError):
    """No room is left for a result or a model; everything written before is intact."""
