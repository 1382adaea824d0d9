"""On which software and machine was each result computed? Results share a few environments, listed once."""

from __future__ import annotations

import json
from collections.abc import Iterable

from benchmark.results import Result

Environment = tuple[tuple[str, str], ...]


def environment(result: Result) -> Environment:
    """Software, device and settings of the machine that a result was computed on, as printed."""
    own = result.provenance
    packages = ", ".join(f"{name} {version}" for name, version in sorted(own.packages.items()))
    hardware = "; ".join(
        f"{name.replace('_', ' ')}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in sorted(own.hardware.items())
    )
    told = [
        ("sembench", own.sembench),
        ("Python", own.python),
        ("Packages", packages),
        ("Device", own.device),
        ("CPU threads", str(own.threads)),
        ("Deterministic algorithms", "enforced" if own.deterministic else "not enforced"),
        ("Images per forward pass", str(own.batch_size)),
        ("Hardware", hardware),
    ]
    return tuple((name, text) for name, text in told if text)


def environments(results: Iterable[Result]) -> dict[Environment, int]:
    """The environments of these results, numbered from 1 in order of appearance."""
    numbers: dict[Environment, int] = {}
    for result in results:
        numbers.setdefault(environment(result), len(numbers) + 1)
    return numbers
