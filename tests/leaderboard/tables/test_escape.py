import re

from hypothesis import given
from hypothesis import strategies as st

from sembench_leaderboard.tables.escape import latex, markdown, one_line

texts = st.text(max_size=60)


def unescape_markdown(text):
    return re.sub(r"\\(.)", r"\1", text)


def unescape_latex(text):
    words = {
        "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<", "textgreater": ">",
        "textbar": "|",
    }  # fmt: skip
    return re.sub(r"\\(?:(text[a-z]+)\{\}|(.))", lambda found: words[found[1]] if found[1] else found[2], text)


@given(texts)
def test_markdown_reads_back_and_holds_no_bare_special_character(text):
    escaped = markdown(text)
    assert unescape_markdown(escaped) == one_line(text)
    assert not re.search(r"[`*_{}\[\]<>|~$&#\n\r]", re.sub(r"\\.", "", escaped))


@given(texts)
def test_latex_reads_back_and_holds_no_bare_special_character(text):
    escaped = latex(text)
    assert unescape_latex(escaped) == one_line(text)
    assert not re.search(r"[{}$&%#_~^<>|\\\n]", re.sub(r"\\(?:text[a-z]+\{\}|.)", "", escaped))


@given(texts)
def test_one_line_is_one_line(text):
    assert len(one_line(text).splitlines()) <= 1
    assert one_line(one_line(text)) == one_line(text)


def test_a_table_cell_cannot_be_left():
    assert markdown("a | b\n| `c` <br>") == r"a \| b \| \`c\` \<br\>"
    assert latex(r"50% of $x_1$ & \input{y}") == r"50\% of \$x\_1\$ \& \textbackslash{}input\{y\}"
