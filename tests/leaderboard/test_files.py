from importlib.metadata import version

from sembench_leaderboard.files import drawn_by, stale, write


def test_what_was_written_is_up_to_date_until_it_changes(tmp_path):
    files = {"b/two.md": b"two", "a/one.csv": b"one"}
    assert stale(files, tmp_path) == ["a/one.csv", "b/two.md"]
    assert write(files, tmp_path) == [tmp_path / "b/two.md", tmp_path / "a/one.csv"]
    assert stale(files, tmp_path) == []
    (tmp_path / "b/two.md").write_bytes(b"2")
    (tmp_path / "a/one.csv").unlink()
    assert stale(files, tmp_path) == ["a/one.csv", "b/two.md"]


def chart(version, content=b"radar"):
    return b"\x89PNG Software\x00Matplotlib " + version + b"\x00" + content


def test_a_chart_of_another_version_is_not_compared_and_that_is_said(tmp_path):
    notes = []
    write({"radar.png": chart(b"3.9.0"), "table.csv": chart(b"3.9.0")}, tmp_path)
    files = {"radar.png": chart(b"3.11.2"), "table.csv": chart(b"3.11.2")}
    assert stale(files, tmp_path, notes.append) == ["table.csv"]
    assert notes == ["not compared: radar.png was drawn by Matplotlib 3.9.0, here is Matplotlib 3.11.2"]


def test_a_chart_of_this_version_or_of_none_is_compared(tmp_path):
    files = {"radar.png": chart(b"3.11.2")}
    for there in (chart(b"3.11.2", b"another"), b"no chart at all", b""):
        write({"radar.png": there}, tmp_path)
        assert stale(files, tmp_path) == ["radar.png"]
    (tmp_path / "radar.png").unlink()
    assert stale(files, tmp_path) == ["radar.png"]


def test_real_charts_say_who_drew_them(build):
    from sembench_leaderboard.board.board import board

    made = board(build.suite(["blackbox", "flint"], ["digits"], [0]))
    charts = {name: drawn_by(name, content) for name, content in made.items() if name.endswith((".png", ".svg"))}
    assert charts
    assert set(charts.values()) == {f"Matplotlib {version('matplotlib')}"}
