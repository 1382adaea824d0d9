"""The tables of a paper on one's own results, as Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sembench.errors import UnknownName
from sembench.results.result import Result
from sembench_leaderboard.entries.grouping import by_suite
from sembench_leaderboard.entries.versions import measures_of, other_versions
from sembench_leaderboard.papers.declared import PAPERS
from sembench_leaderboard.papers.quantity import Score
from sembench_leaderboard.papers.table import PaperTable, filled
from sembench_leaderboard.tables import latex, markdown
from sembench_leaderboard.tables.escape import latex as escape_latex
from sembench_leaderboard.tables.escape import markdown as escape
from sembench_leaderboard.tables.table import Table

_HOW_TO_READ = """\
Mean ± sample standard deviation over seeds; a single seed has no spread. ↑ higher is better, ↓ lower is better. \
`not run`: there is no such result in this suite. `n/a`: not applicable, the note says why. Rows and columns with \
`[ours]` are not in the paper's table; they appear where they were run. These are the paper's experiments, not its \
numbers: data sets, black boxes and trainings are those of the suite."""


def paper_files(results: Iterable[Result], papers: Sequence[str] = tuple(PAPERS)) -> dict[str, bytes]:
    """``<suite>/paper-<paper>.md`` and ``.tex``: content by path; the same results give the same bytes.

    Raises:
        UnknownName: If there is no such paper.
    """
    for paper in papers:
        if paper not in PAPERS:
            raise UnknownName("paper", paper, PAPERS)
    files: dict[str, bytes] = {}
    for suite, own in by_suite(results).items():
        for paper in papers:
            content = [(declared, filled(declared, own), remarks(declared, own)) for declared in PAPERS[paper][1]]
            texts = {"md": page(suite, paper, content), "tex": document(suite, paper, content)}
            files |= {f"{suite}/paper-{paper}.{form}": text.encode() for form, text in texts.items()}
    return files


Content = Sequence[tuple[PaperTable, Sequence[Table], Sequence[str]]]


def remarks(declared: PaperTable, results: Sequence[Result]) -> list[str]:
    """What a reader of a table must know: its note, and every metric of another version than sembench declares."""
    metrics = {quantity.metric for quantity in declared.quantities if isinstance(quantity, Score)}
    measures = {name: measure for name, measure in measures_of(results).items() if name in metrics}
    others = [f"{other.text[0].upper()}{other.text[1:]}." for other in other_versions(measures).values()]
    return [*([declared.note] if declared.note else []), *others]


def page(suite: str, paper: str, content: Content) -> str:
    """All tables of a paper on one suite as Markdown."""
    parts = [f"# Tables of {escape(PAPERS[paper][0])}: suite {escape(suite)}", _HOW_TO_READ]
    for declared, tables, said in content:
        parts += [f"## {escape(declared.source)}: {escape(declared.title)}"]
        parts += [escape(" ".join(said))] if said else []
        for own in tables:
            parts += [f"**{escape(own.heading)}**"] if declared.split else []
            parts += markdown.table(own)
    return "\n\n".join(parts) + "\n"


def document(suite: str, paper: str, content: Content) -> str:
    """All tables of a paper on one suite as LaTeX, to be included in a document."""
    parts = ["% Needs \\usepackage{booktabs}; the file is UTF-8. Mean and sample standard deviation.\n"]
    for declared, tables, said in content:
        for own in tables:
            caption = f"After {escape_latex(declared.source)}: {escape_latex(declared.title)}; "
            caption += f"{escape_latex(own.heading)} (suite {escape_latex(suite)})."
            caption += "".join(f" {escape_latex(text)}" for text in said)
            label = f"tab:{suite}-{paper}-{declared.key}" + (f"-{own.heading}" if declared.split else "")
            parts.append(latex.floating(own, caption, label))
    return "\n".join(parts)
