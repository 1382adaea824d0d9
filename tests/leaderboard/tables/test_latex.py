import re

from sembench_leaderboard.board.page import document
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.tables.latex import table
from sembench_leaderboard.tables.table import Cell, Column, Row, Table


def test_a_table_as_text():
    content = Table(
        "Explanations",
        (Column("LRP_KL", "lower", "%"), Column("by chance"), Column("Gain", "higher")),
        (
            Row("k_mex", (Cell("3.10e-04 [2.90e-04, 3.30e-04]"), Cell("0.2"), Cell("-0.1 [-0.2, +0.3]"))),
            Row("cnn", (Cell("n/a", 0), Cell(""), Cell("—"))),
            Row("by chance", (Cell(""), Cell(""), Cell("0")), aside=True),
        ),
        ("50% of {them}",),
    )
    assert (
        table(content)
        == r"""\begin{tabular}{lrrr}
\toprule
 & LRP\_KL, \% $\downarrow$ & by chance & Gain $\uparrow$ \\
\midrule
k\_mex & $3.10 \cdot 10^{-4}$ {\scriptsize [$2.90 \cdot 10^{-4}$, $3.30 \cdot 10^{-4}$]} & $0.2$ & $-0.1$ {\scriptsize [$-0.2$, $+0.3$]} \\
cnn & n/a\textsuperscript{1} &  & --- \\
\midrule
by chance &  &  & $0$ \\
\bottomrule
\end{tabular}
\par\smallskip \textsuperscript{1} 50\% of \{them\}"""  # noqa: E501
    )


def test_the_whole_document_is_balanced_and_rows_have_equal_columns(synthetic_suite):
    text = document("quick", aggregate(synthetic_suite))
    assert text.isascii()
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 7 + 2 * (3 + 3)
    assert len(set(re.findall(r"\\label\{(.*?)\}", text))) == 19
    for columns, body in re.findall(r"\\begin\{tabular\}\{(l+r+)\}(.*?)\\end\{tabular\}", text, flags=re.DOTALL):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {line.count(" & ") for line in rows} == {len(columns) - 1}
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert text.count("$") % 2 == 0
