"""The tables of a paper on one's own results, as Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sembench.errors import UnknownName
from sembench.results.result import Result
from sembench_leaderboard.entries.grouping import by_suite
from sembench_leaderboard.papers.declared import PAPERS
from sembench_leaderboard.papers.table import PaperTable, filled
from sembench_leaderboard.tables import latex, markdown
from sembench_leaderboard.tables.escape import latex as escape_latex
from sembench_leaderboard.tables.escape import markdown as escape
from sembench_leaderboard.tables.table import Table

_HOW_TO_READ = """\
Mean ± sample standard deviation over seeds; a single seed has no spread. ↑ higher is better, ↓ lower is better. \
`not run`: there is no such result in this suite. `n/a`: not applicable, the note says why. Rows beyond the paper's \
appear where they were run. These are the paper's experiments, not its numbers: data sets, black boxes and trainings \
are those of the suite."""


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
            content = [(declared, filled(declared, own)) for declared in PAPERS[paper][1]]
            texts = {"md": page(suite, paper, content), "tex": document(suite, paper, content)}
            files |= {f"{suite}/paper-{paper}.{form}": text.encode() for form, text in texts.items()}
    return files


Content = Sequence[tuple[PaperTable, Sequence[Table]]]


def page(suite: str, paper: str, content: Content) -> str:
    """All tables of a paper on one suite as Markdown."""
    parts = [f"# Tables of {escape(PAPERS[paper][0])}: suite {escape(suite)}", _HOW_TO_READ]
    for declared, tables in content:
        parts += [f"## {escape(declared.title)}", escape(declared.source).rstrip(".") + "."]
        if declared.note:
            parts[-1] += f" {declared.note}"
        for own in tables:
            parts += [f"**{escape(own.heading)}**"] if len(declared.quantities) > 1 else []
            parts += markdown.table(own)
    return "\n\n".join(parts) + "\n"


def document(suite: str, paper: str, content: Content) -> str:
    """All tables of a paper on one suite as LaTeX, to be included in a document."""
    parts = ["% Needs \\usepackage{booktabs}; the file is UTF-8. Mean and sample standard deviation over seeds.\n"]
    for declared, tables in content:
        for own in tables:
            caption = f"{escape_latex(declared.title)}: {escape_latex(own.heading)} (suite {escape_latex(suite)}); "
            caption += f"after {escape_latex(declared.source)}."
            label = f"tab:{suite}-{paper}-{declared.key}"
            label += f"-{own.heading}" if len(declared.quantities) > 1 else ""
            parts.append(latex.floating(own, caption, label))
    return "\n".join(parts)
