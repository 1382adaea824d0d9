"""Escapes of text from result files for Markdown tables, LaTeX and ids; line breaks become spaces."""

from __future__ import annotations

import re
from urllib.parse import quote

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|~$&#])")

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}",
}  # fmt: skip


def one_line(text: str) -> str:
    """Text with every run of white space and control characters made one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def markdown(text: str) -> str:
    """Text that Markdown shows as it is, also within a table cell."""
    return _MARKDOWN.sub(r"\\\1", one_line(text))


def latex(text: str) -> str:
    """Text that LaTeX sets as it is; letters beyond ASCII stay UTF-8."""
    return "".join(_LATEX.get(character, character) for character in one_line(text))


def anchor(*parts: str) -> str:
    """An id for these names, the same for no others, of characters that ids and fragments of addresses may hold."""
    return "/".join(quote(part, safe="").replace("%", "=") for part in parts)
