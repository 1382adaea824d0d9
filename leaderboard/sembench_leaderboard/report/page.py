"""The report: one page of HTML for each suite that needs neither a network nor anything beside it.

Every text from a result file is escaped. Should one slip through, the page's content security policy still lets no
script run but the page's own, and nothing be fetched.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sembench.results.result import Result
from sembench_leaderboard.board.contents import EXPLANATION, cost_table, legend
from sembench_leaderboard.board.csv import FIELDS, to_csv
from sembench_leaderboard.board.facts import environment, environments, facts
from sembench_leaderboard.claims.claim import in_words
from sembench_leaderboard.claims.verdict import examine, shown
from sembench_leaderboard.drawing.pens import style_sheet
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.entries.grouping import by_dataset, by_suite
from sembench_leaderboard.entries.settings import altered
from sembench_leaderboard.report.charts import chart_data
from sembench_leaderboard.report.entries import sections
from sembench_leaderboard.report.figures import Figure, find_figures
from sembench_leaderboard.report.scores import score_table
from sembench_leaderboard.tables import numbers
from sembench_leaderboard.tables.escape import anchor

_SCRIPTS = ("later.js", "page.js", "scores.js", "pens.js", "radar.js", "pareto.js", "charts.js")
_RAW = tuple(field for field in FIELDS if field not in ("reference", "chance_is", "note"))  # these stand on the page
_AT_FIRST = 200  # rows of the table of scores: a browser takes its time to lay out a thousand


def report_files(
    results: Sequence[Result], figures: Path | None = None, *, general: bool = True
) -> tuple[dict[str, bytes], dict[str, dict[str, str]]]:
    """The report of every suite: content by path, ``<suite>/report.html``; the same input gives the same bytes.

    Stored figures are looked for as `find_figures` says; without a folder there are none.

    Returns:
        The files; and by suite the figures that were left out, with the reason.

    Raises:
        ResultsMixed: If results of one entry do not belong together.
        SembenchError: If a figure is damaged.
    """
    files: dict[str, bytes] = {}
    left_out: dict[str, dict[str, str]] = {}
    for suite, own in by_suite(results).items():
        drawn: list[Figure] = []
        if figures is not None:
            drawn, left_out[suite] = find_figures(figures, suite, own, general=general)
        files[f"{suite}/report.html"] = page(suite, own, drawn).encode()
    return files, left_out


def page(suite: str, results: Sequence[Result], figures: Sequence[Figure] = ()) -> str:
    """The report of one suite as HTML."""
    own = by_dataset(results)
    results = [result for runs in own.values() for result in runs]
    entries = aggregate(results)
    scores = score_table(entries)
    environment_numbers = environments(results)
    style, script = _asset("report.css") + Markup(style_sheet()), Markup("\n").join(map(_asset, _SCRIPTS))
    context: dict[str, Any] = {
        "suite": suite,
        "at_first": _AT_FIRST,
        "scores": scores,
        "legend": legend(entries),
        "altered": altered(suite, results),
        "charts": chart_data(entries),
        "claims": examine(results),
        "datasets": list(own),
        "facts": {name: facts(runs) for name, runs in own.items()},
        "free": {name: runs[0].provenance.dataset_licence_open for name, runs in own.items()},
        "licences": {name: runs[0].provenance.dataset_licence for name, runs in own.items()},
        "costs": {name: cost_table(runs) for name, runs in own.items()},
        "cost_explanation": EXPLANATION.replace("*", "").replace("`", ""),
        "sections": sections(scores, entries, results, figures),
        "pictured": bool(figures),
        "figures": [figure for figure in figures if figure.explainer is None],
        "environments": environment_numbers,
        "number_of": lambda result: environment_numbers[environment(result)],
        "raw": "data:text/csv;charset=utf-8," + quote(to_csv(entries, _RAW), safe=",()[]:;/+*!@=$'|"),
        "anchor": anchor,
        "in_percent": numbers.in_percent,
        "in_words": in_words,
        "shown": shown,
        "style": style,
        "script": script,
        "policy": f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'",
    }  # fmt: skip
    return _environment().get_template("page.html").render(context)


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("sembench_leaderboard.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_printable,
    )
    made.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":"), "allow_nan": False}
    return made


def _printable(value: object) -> object:
    """Text without control characters, which could end it or turn the direction of what follows; lines stay."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "".join(c if c.isprintable() or c == "\n" else " " for c in value)


def _asset(name: str) -> Markup:
    """A style sheet or script of ours, as it is."""
    return Markup((Path(__file__).parent / "templates" / name).read_text("utf-8"))


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
