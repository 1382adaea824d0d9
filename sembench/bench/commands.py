"""The commands about speed: `bench record`, `bench compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sembench.delivery import say

app = typer.Typer(help="Record and compare what sembench costs.", no_args_is_help=True, rich_markup_mode=None)

RoundsOption = Annotated[int, typer.Option(help="Rounds, each in a process of its own.", min=1)]
WorkloadOption = Annotated[list[str], typer.Option("--only", help="Only this workload (repeatable).", metavar="NAME")]


@app.command("record")
def record_here(
    out: Annotated[Path, typer.Argument(help="JSON file to write.")],
    rounds: RoundsOption = 5,
    only: WorkloadOption = [],  # noqa: B006
    name: Annotated[str, typer.Option(help="What the recording is called.")] = "working tree",
) -> None:
    """Record times, exact counts and scores of a tiny run of this installation."""
    from benchmark.writing import write_atomically
    from sembench.bench.record import HERE, record

    check_workloads(only)
    (recording,) = record({name: HERE}, rounds=rounds, only=only, say=say)
    write_atomically(out, recording.model_dump_json().encode())
    typer.echo(out)


@app.command("compare")
def compare_two(
    base: Annotated[str, typer.Argument(help="Git revision, or file or folder of recorded benchmarks.")],
    head: Annotated[str, typer.Argument(help="What is compared with it, likewise.")],
    rounds: Annotated[int, typer.Option(help="Rounds of each revision, in turn.", min=2)] = 5,
    only: WorkloadOption = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="Folder for Markdown, JSON, charts and recordings.")] = None,
) -> None:
    """Say what changed beyond the noise: times as a trend, counts and scores exactly.

    Two revisions are run in turn, by the workloads of the sembench that is installed. Nothing fails on a slower time.
    """
    check_workloads(only)
    from leaderboard.folder import write
    from sembench.bench.comparison import compare
    from sembench.bench.comparison_page import as_json, markdown
    from sembench.bench.sides import sides

    recordings = sides(base, head, rounds=rounds, only=only, say=say)
    found = compare(*recordings)
    text = markdown(found)
    typer.echo(text, nl=False)
    if out is None:
        return
    from sembench.bench.comparison_chart import chart

    files = {"comparison.md": text.encode(), "comparison.json": as_json(found).encode(), **chart(found)}
    for side, recording in zip(("base", "head"), recordings, strict=True):
        files[f"{side}.json"] = recording.model_dump_json().encode()
    for path in write(files, out):
        say(str(path))


def check_workloads(names: list[str]) -> None:
    """Raises `UnknownName` if there is no such workload."""
    if not names:
        return
    from benchmark.errors import UnknownName
    from sembench.bench.workloads import workloads

    known = list(workloads())
    for name in names:
        if name not in known:
            raise UnknownName("workload", name, known)
