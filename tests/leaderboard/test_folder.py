from leaderboard.folder import stale, write


def test_what_was_written_is_up_to_date_until_it_changes(tmp_path):
    files = {"b/two.md": b"two", "a/one.csv": b"one"}
    assert stale(files, tmp_path) == ["a/one.csv", "b/two.md"]
    assert write(files, tmp_path) == [tmp_path / "b/two.md", tmp_path / "a/one.csv"]
    assert stale(files, tmp_path) == []
    (tmp_path / "b/two.md").write_bytes(b"2")
    (tmp_path / "a/one.csv").unlink()
    assert stale(files, tmp_path) == ["a/one.csv", "b/two.md"]
