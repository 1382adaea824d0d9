"""Values as suite files hold them: plain, finite, and paths that a file system takes. Imports no torch."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from typing import Any

from sembench.errors import SuiteInvalid

_DEEPEST = 16
_LARGEST = 2**63 - 1
_LONGEST = 10_000
_LONGEST_PART = 255
_VALUE = f"at most {_LONGEST:,} characters a string, {_DEEPEST} nested tables or arrays, and finite numbers of 64 bits"


def toml_content(text: str, origin: str) -> dict[str, Any]:
    """The tables of TOML text. Raises `SuiteInvalid` if it is none, or holds what no setting can be."""
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError) as error:  # a number of thousands of digits is a ValueError
        raise SuiteInvalid(f"{origin} is not TOML: {str(error).partition(';')[0]}.") from error
    except RecursionError as error:
        raise SuiteInvalid(f"{origin}: tables or arrays are nested too deeply; accepted is {_VALUE}.") from error
    _require_plain(content, origin, "")
    return content


def _require_plain(value: object, origin: str, place: str, depth: int = 0) -> None:
    """Raises `SuiteInvalid` for the first value, at any depth, that no setting can be."""
    wrong = None
    if isinstance(value, str) and ("\0" in value or len(value) > _LONGEST):
        wrong = "holds a NUL character" if "\0" in value else f"has {len(value):,} characters"
    elif isinstance(value, float) and not math.isfinite(value):
        wrong = f"is {value}"
    elif isinstance(value, int) and abs(value) > _LARGEST:
        wrong = "is an integer of more than 64 bits"
    elif depth > _DEEPEST:
        wrong = "is nested too deeply"
    if wrong is not None:
        raise SuiteInvalid(f"{origin}: {place[1:] or 'the file'} {wrong}; accepted is {_VALUE}.")
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        _require_plain(str(key), origin, f"{place}.a key", depth)
        _require_plain(item, origin, f"{place}.{key}", depth + 1)


def holds(check: Callable[[], bool]) -> bool:
    """Whether something holds of a path; not where the system cannot say, e.g. since the name is too long."""
    try:
        return check()
    except (OSError, ValueError):
        return False


def require_short_parts(path: str) -> str:
    """A path as it is. Raises ``ValueError`` if a part of it is longer than file systems take."""
    longest = max(len(part.encode()) for part in path.split("/"))
    if longest > _LONGEST_PART:
        raise ValueError(f"a part of the path has {longest:,} bytes; at most {_LONGEST_PART} are accepted")
    return path
