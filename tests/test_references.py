"""Every source that the library cites stands in docs/references.md."""

import ast
import inspect
import re

import pytest

from library import MODULES, docstrings, relative
from places import ROOT
from sembench.plugins.registry import METRICS
from sembench.similarity import __doc__ as similarities

CODE = re.compile(r"``.*?``|`.*?`|^ *(?:>>>|\.\.\.).*\n(?:^ *\S.*\n)*", re.MULTILINE | re.DOTALL)
KEY = re.compile(r"\[([A-Z][\w +'-]*)\]")


def entries(text):
    """The entries of the list by key."""
    found = re.findall(r"^- \*\*\[(.+?)\]\*\* (.*?)(?=\n\n|\n- |\Z)", text, re.MULTILINE | re.DOTALL)
    assert len({key for key, _ in found}) == len(found), "a key stands twice"
    return {key: " ".join(entry.split()) for key, entry in found}


LISTED = entries((ROOT / "docs" / "references.md").read_text("utf-8"))


def cited(docstring):
    return KEY.findall(CODE.sub("", docstring + "\n"))


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_every_key_that_a_module_cites_is_listed(path):
    keys = {key for _, text in docstrings(ast.parse(path.read_text("utf-8"))) for key in cited(text)}
    assert keys - {*LISTED} == set()


@pytest.mark.parametrize("name", METRICS.names())
def test_the_reference_that_a_metric_declares_is_listed(name):
    reference = METRICS.get(name).reference
    author = re.match(r"(\w+) (?:et al\.|and \w+) (\d{4})", reference)
    keys = KEY.findall(reference)
    assert keys or author, reference
    assert {*keys} <= {*LISTED}
    if author is not None:
        assert any(all(word in entry for word in author.groups()) for entry in LISTED.values()), reference


@pytest.mark.parametrize("name", METRICS.names())
def test_the_functions_beside_a_metric_cite_by_key(name):
    tree = ast.parse(inspect.getsource(inspect.getmodule(METRICS.get(name).meter)))
    sections = [text.split("References:\n")[1] for _, text in docstrings(tree) if "References:\n" in text]
    assert [section for section in sections if not cited(section)] == []


def test_every_entry_is_cited_by_key_or_by_its_first_author():
    library = "\n".join(path.read_text("utf-8") for path in MODULES)
    authors = {key: re.match(r"(?:\w\. )+([\w'-]+)", entry)[1] for key, entry in LISTED.items()}
    assert [key for key in LISTED if f"[{key}" not in library and not re.search(rf"\b{authors[key]}\b", library)] == []


def test_an_entry_says_when_it_appeared():
    assert [key for key, entry in LISTED.items() if not re.search(r"\b(19|20)\d\d\b", entry)] == []


def test_keys_are_told_from_code():
    assert {"K", "C", "ProtoPNet"} <= {*cited(similarities)}
    assert cited("Tells of [K] and [Grad-CAM++], not of ``[A]``, `[B]` or\n    >>> x\n    [True]\n\n[ours] [0, 1]") == [
        "K",
        "Grad-CAM++",
    ]
