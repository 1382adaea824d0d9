"""What is known of a data set before it is read: its licence, and how its files can be fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar


@dataclass(frozen=True)
class Licence:
    """A licence of images.

    Free (``open``) is what anyone may use, change and share for any purpose, as the Open Definition has it: public
    domain, attribution and share-alike do not stand in the way of that. "Non-commercial" and "research only" do, and so
    does a publisher who states nothing, since then nothing is permitted beyond what the law permits.

    Attributes:
        name: Short name as printed on the board.
        open: Whether it is free.
    """

    name: str
    open: bool


CC0 = Licence("CC0 1.0", open=True)
CC_BY_4 = Licence("CC BY 4.0", open=True)
CC_BY_SA_3 = Licence("CC BY-SA 3.0", open=True)
MIT = Licence("MIT", open=True)
NONE_STATED = Licence("none stated", open=False)
NON_COMMERCIAL = Licence("non-commercial research only", open=False)
RESEARCH_ONLY = Licence("research and education only", open=False)

F = TypeVar("F", bound=Callable[..., Any])
Options = Mapping[str, Any]
LicenceOf = Callable[[Options], Licence]
Fetch = Callable[[Path, Options], None]

UNDECLARED = Licence("not declared", open=False)
"""The licence of a data set that declares none, e.g. a plugin's."""


def declares(licence: Licence | LicenceOf, *, fetch: Fetch | None = None) -> Callable[[F], F]:
    """Decorator of a data set's function: states its licence, and what fetches its files into a root folder.

    Args:
        licence: The licence, or what finds it from the data set's options.
        fetch: Takes the root folder and the options; leaves alone what is there.
    """

    def put(load: F) -> F:
        setattr(load, _LICENCE, licence if callable(licence) else lambda options: licence)
        setattr(load, _FETCH, fetch)
        return load

    return put


def licence_of(load: Callable[..., Any], options: Options) -> Licence:
    """The licence that a data set declares; `UNDECLARED` where it declares none."""
    declared: LicenceOf | None = getattr(load, _LICENCE, None)
    return UNDECLARED if declared is None else declared(options)


def fetch_of(load: Callable[..., Any]) -> Fetch | None:
    """What fetches a data set's files; ``None`` where nothing does."""
    return getattr(load, _FETCH, None)


_LICENCE, _FETCH = "sembench_licence", "sembench_fetch"
