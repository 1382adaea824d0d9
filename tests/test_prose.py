"""The prose of the library and its documents keeps the rules of CONTRIBUTING.md, file by file."""

import ast
import io
import re
import tokenize

import pytest

from library import DOCUMENTED, MODULES, docstrings, relative
from places import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("leaderboard/*.md")])

AVOIDED = re.compile(r"\b(anew|whoever|so\s+many|told\s+of|what\s+came\s+of|deletes?)\b", re.IGNORECASE)
CODE = re.compile(r"``.*?``|`[^`]*`")
GENERATED = re.compile(r"<!-- board: .*?<!-- end of board -->", re.DOTALL)


def avoided(text):
    return [" ".join(found.group().split()) for found in AVOIDED.finditer(text)]


def undocumented(tree):
    """The public classes and functions without a docstring; a method may inherit its own, an overload has none."""
    if ast.get_docstring(tree) is None:
        yield "module"
    for node in tree.body:
        public = isinstance(node, DOCUMENTED) and not node.name.startswith("_")
        if public and ast.get_docstring(node) is None and "overload" not in map(ast.unparse, node.decorator_list):
            yield node.name


def complaints(source):
    """Everything in a module's docstrings, comments and messages that breaks a rule."""
    tree = ast.parse(source)
    for name in undocumented(tree):
        yield f"{name} has no docstring"
    for name, text in docstrings(tree):
        line = text.partition("\n")[0]
        if "?" in CODE.sub("", line):
            yield f"{name}: the first line asks a question: {line}"
        elif not line.endswith((".", ":")):
            yield f"{name}: the first line ends without a period or colon: {line}"
        if len(line) > 120:
            yield f"{name}: the first line has {len(line)} characters"
    strings = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = " ".join(token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT)
    for text in (*strings, comments):
        for word in avoided(text):
            yield f"{word!r} in: {' '.join(text.split())[:100]}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_the_prose_of_a_module_keeps_the_rules(path):
    assert list(complaints(path.read_text("utf-8"))) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_a_document_uses_no_word_that_is_avoided(path):
    assert avoided(GENERATED.sub("", path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ('"""Does it?"""', "the first line asks"),
        ('"""Does it? It does."""', "the first line asks"),
        ('"""A module"""', "period or colon"),
        ('"""' + "A" * 120 + '."""', "121 characters"),
        ("import os", "module has no docstring"),
        ('"""A module."""\ndef public(): ...', "public has no docstring"),
        ('"""A module."""\nclass Public: ...', "Public has no docstring"),
        ('"""A module.\n\nMade\nanew."""', "'anew'"),
        ('"""A module."""\n# so\n# many\n', "'so many'"),
        ('"""A module."""\nraise ValueError(f"{1} whoever {2}")', "'whoever'"),
        ('"""A module."""\nraise ValueError("delete the file")', "'delete'"),
        ('"""A module."""\nclass A:\n    """A."""\n    def f(self):\n        """Why?"""', "f: the first line asks"),
    ],
)
def test_each_rule_can_be_broken(source, complaint):
    assert any(complaint in found for found in complaints(source)), list(complaints(source))


def test_what_a_name_hides_needs_no_docstring():
    hidden = "def _helper(): ...\n@overload\ndef one(): ...\nclass _A:\n    def f(self): ..."
    assert list(complaints(f'"""A module of ``*?``."""\n{hidden}')) == []
