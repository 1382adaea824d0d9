"""How is a comparison told? What changed comes first, everything else after it, as Markdown and JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence

from sembench.bench.comparison import LEVEL, Comparison, Time

_HOPELESS = 10.0  # a change that is elevenfold and not seen is no news worth a number


def markdown(found: Comparison) -> str:
    """The comparison as Markdown."""
    return "\n".join(_lines(found)) + "\n"


def as_json(found: Comparison) -> str:
    """The comparison as JSON, with what the page says of each time; no gap where their number differs."""
    content = dataclasses.asdict(found)
    for entry, time in zip(content["times"], found.times, strict=True):
        entry.update(changed=time.changed, noise=time.noise)
    content["scores"] = [(*entry, gap if math.isfinite(gap) else None) for *entry, gap in found.scores]
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _lines(found: Comparison) -> Iterator[str]:
    changed = [time for time in found.times if time.changed]
    yield f"# {_plain(found.base)} against {_plain(found.head)}"
    yield ""
    for text in _verdict(found, changed):
        yield f"- {text}"
    if found.counts:
        yield from ("", "## Counts", "")
        yield from _table(
            ("workload", "count", "base", "head"),
            ([name, count, f"{before:,}", f"{after:,}"] for name, count, before, after in found.counts),
        )
    if found.scores:
        yield from ("", "## Scores of the tiny run", "")
        yield from _table(
            ("workload", "differ", "of", "at most by"),
            ([name, str(number), str(total), f"{gap:.3g}"] for name, number, total, gap in found.scores),
        )
    if changed:
        yield from ("", "## Times that changed beyond the noise", "")
        yield from _times(changed)
    yield from ("", "## All times", "")
    yield from _times(found.times)
    if found.missing or found.unsteady:
        yield from ("", "## Not compared", "")
        yield from (f"- {name}: {_plain(reason)}" for name, reason in found.missing.items())
        yield from (f"- {what}: not the same in every round of one side" for what in found.unsteady)
    yield from ("", "## How to read it", "", *_explained(found))


def _verdict(found: Comparison, changed: Sequence[Time]) -> Iterator[str]:
    counted = len({name for name, *_ in found.counts})
    yield (
        f"**Counts: changed in {counted} of {len(found.times)} workloads**, exactly."
        if counted
        else "Counts: all the same, exactly."
    )
    moved = len(found.scores)
    yield (
        f"**Scores: changed in {moved} of {len(found.times)} workloads.**"
        if moved
        else "Scores of the tiny run: all the same, bit for bit."
    )
    slower, faster = sum(time.ratio > 1 for time in changed), sum(time.ratio < 1 for time in changed)
    if changed:
        yield f"**Times: {slower} slower, {faster} faster** beyond the noise, of {len(found.times)}."
    else:
        yield f"Times: none of {len(found.times)} changed beyond the noise."


def _times(times: Iterable[Time]) -> Iterator[str]:
    yield from _table(
        ("workload", "base, ms", "head, ms", "head / base", "interval", "seen from"),
        (
            [
                time.name, f"{time.base * 1e3:.4g}", f"{time.head * 1e3:.4g}", f"{time.ratio:.3f}",
                f"{time.low:.3f} to {time.high:.3f}" if time.noise < _HOPELESS else "any",
                f"{time.noise:.1%}" if time.noise < _HOPELESS else "nothing: too noisy",
            ]
            for time in times
        ),
    )  # fmt: skip


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join(["---", *["---:"] * (len(head) - 1)]) + "|"
    for row in rows:
        yield "| " + " | ".join(_plain(cell) for cell in row) + " |"


def _plain(text: str) -> str:
    """A text on one line that ends no cell and opens no tag."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _explained(found: Comparison) -> Iterator[str]:
    base, head = found.rounds
    yield f"{base} and {head} rounds, each in a process of its own; a round's time is the least of its runs."
    if found.paired:
        yield "The rounds of both sides took turns, so that each gives a ratio; their spread is the noise."
    else:
        yield "The sides were recorded apart: whatever else changed on the machine in between looks like a change here."
    for fact, before, after in found.machines:
        yield f"**The machines differ: {fact} was {_plain(before)}, is {_plain(after)}.**"
    yield (
        f"Intervals share an error of {LEVEL:.0%} among all workloads: where nothing changed, at most one comparison "
        f"in {round(1 / LEVEL)} names a time. `seen from` is the least change that these rounds could have shown. "
        "Times are a trend and decide nothing; counts and scores are exact."
    )
