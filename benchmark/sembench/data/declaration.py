"""Declarations of data sets, known before any is read: licences, and how files are fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar


@dataclass(frozen=True)
class Licence:
    """A licence of images.

    Attributes:
        name: Short name as printed on the board.
        open: Whether anyone may use, change and share the images for any purpose (Open Definition). Attribution and
            share-alike clauses allow that; "non-commercial", "research only" and a publisher who states nothing do not.
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

_DECLARED = "sembench_declaration"  # attribute of a loader: what finds its licence, and what fetches its files


def declares(licence: Licence | LicenceOf, *, fetch: Fetch | None = None) -> Callable[[F], F]:
    """Decorator of a data set's function: states its licence, and how its files are fetched.

    Args:
        licence: The licence, or a function from the data set's options to it.
        fetch: Takes the root folder and the options; leaves alone what is there.
    """

    def put(load: F) -> F:
        setattr(load, _DECLARED, (licence if callable(licence) else lambda options: licence, fetch))
        return load

    return put


def licence_of(load: Callable[..., Any], options: Options) -> Licence:
    """The licence that a data set declares; one that is not open where it declares none, as a plugin may."""
    declared: tuple[LicenceOf, Fetch | None] | None = getattr(load, _DECLARED, None)
    return Licence("not declared", open=False) if declared is None else declared[0](options)


def fetch_of(load: Callable[..., Any]) -> Fetch | None:
    """The function that fetches a data set's files; ``None`` if there is none."""
    declared: tuple[LicenceOf, Fetch | None] | None = getattr(load, _DECLARED, None)
    return None if declared is None else declared[1]
