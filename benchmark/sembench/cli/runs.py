"""Runs from the command line: those of a plan that are pending, made with progress and messages."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pydantic import JsonValue

    from sembench.results.result import Result
    from sembench.running.runner import Summary
    from sembench.suites.network import BackboneSpec
    from sembench.suites.plan import Run


def pending_of(runs: list[Run], out: Path, refresh: bool, *, current: bool = False, option: str = "--out") -> list[Run]:
    """The runs that have to be made.

    With ``refresh`` results of other settings or source code are computed again, with ``current`` those of other source
    code; so are those of a network of the user's that comes with other weights now. ``option`` is the command's option
    for the folder.

    Raises:
        ResultStale: If a result of other settings would be lost.
    """
    from sembench.errors import ResultDamaged, ResultStale
    from sembench.suites.plan import status

    pending, older = [], []
    stale: list[tuple[Run, Result]] = []
    networks: dict[BackboneSpec, dict[str, str]] = {}
    for run in runs:
        try:
            state, result = status(run, out)
        except ResultDamaged as error:
            typer.echo(f"note: {error} It is computed again.", err=True)
            state, result = "missing", None
        outdated = result is not None and result.provenance.sources != {**run.sources, **_network(run, networks)}
        if state == "stale" and result is not None:
            stale.append((run, result))
        elif outdated:
            older.append(run)
        if state == "missing" or (refresh and state == "stale") or ((refresh or current) and outdated):
            pending.append(run)
    if stale and not refresh:
        run, result = stale[0]
        raise ResultStale(
            f"{len(stale)} results in {out} were computed with other settings, the first is {run.path(out)}: "
            f"{'; '.join(differences(result.settings, run.settings))}. Use another {option} to keep them, or --refresh "
            "to compute them again."
        )
    if older and not (refresh or current):
        typer.echo(
            f"note: {len(older)} results were computed by other source code, or on other weights of a network, the "
            f"first is {older[0].path(out)}; --refresh computes them again.",
            err=True,
        )
    return pending


def _network(run: Run, known: dict[BackboneSpec, dict[str, str]]) -> dict[str, str]:
    """The hash of the weights that a network of the user's comes with now, found once; a factory may read any file."""
    from sembench.plugins.factory import is_factory

    if not is_factory(run.backbone.name):
        return {}
    if run.backbone not in known:
        from sembench.running.black_box import network_sources

        known[run.backbone] = network_sources(run.backbone)
    return known[run.backbone]


def differences(before: JsonValue, now: JsonValue, where: str = "") -> Iterator[str]:
    """The settings that differ, each as ``where old -> new``.

    Examples:
        >>> list(differences({"evaluation": {"variants": False, "steps": 32}}, {"evaluation": {"variants": True}}))
        ['evaluation.steps 32 -> not stated', 'evaluation.variants false -> true']
    """
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now}):
            place = f"{where}.{name}" if where else name
            if name not in now or name not in before:
                old, new = (json.dumps(side[name]) if name in side else "not stated" for side in (before, now))
                yield f"{place} {old} -> {new}"
            else:
                yield from differences(before[name], now[name], place)
    elif before != now:
        yield f"{where} {json.dumps(before)} -> {json.dumps(now)}"


def compute(pending: list[Run], out: Path, cache: Path, data_root: Path, device: str, *, total: int) -> None:
    """Makes runs; an interruption or a failure is reported and ends the command."""
    summary = attempt(pending, out, cache, data_root, device, total=total)
    if summary.failed:
        say_failed(summary, len(pending))
        typer.echo("The tracebacks stand beside the results, in seed-<n>.error.txt.", err=True)
        raise typer.Exit(1)


def attempt(pending: list[Run], out: Path, cache: Path, data_root: Path, device: str, *, total: int) -> Summary:
    """Makes runs and returns the summary; an interruption is reported and ends the command."""
    typer.echo("loading torch ...")
    from sembench.running.cache import Cache
    from sembench.running.progress import reporter_for
    from sembench.running.runner import Runner

    try:
        with reporter_for(sys.stdout, total, total - len(pending)) as reporter:
            return Runner(out, Cache(cache), data_root, device, reporter).run(pending)
    except KeyboardInterrupt:
        typer.echo("stopped; what is finished is kept. The same command goes on from here.", err=True)
        raise typer.Exit(130) from None


def say_failed(summary: Summary, asked: int) -> None:
    """Names the runs that failed, those of one reason together, and how many were asked for."""
    from sembench.running.progress import reason_of

    typer.echo(f"{len(summary.failed)} of {asked} runs failed:", err=True)
    alike: dict[str, list[str]] = {}
    for name, error in summary.failed.items():
        alike.setdefault(reason_of(error), []).append(name)
    for reason, names in alike.items():
        more = f" and {len(names) - 1} more {'run' if len(names) == 2 else 'runs'}" if len(names) > 1 else ""
        typer.echo(f"  {names[0]}{more}: {reason}", err=True)
