"""What is remembered of files: found out once, again after a change, and never a reason to fail."""

import os

import pytest

from sembench.data.memory import remembered, remembering


class Work:
    """Counts how often it was done."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return f"fact {self.times}"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(b"abc")
    return path


@pytest.fixture
def facts(tmp_path):
    return tmp_path / "cache" / "files.json"


def test_outside_of_a_memory_nothing_is_kept(file):
    work = Work()
    assert [remembered("fact", [file], work), remembered("fact", [file], work)] == ["fact 1", "fact 2"]


def test_a_fact_is_found_out_once_also_by_another_process(file, facts):
    work = Work()
    with remembering(facts):
        assert [remembered("fact", [file], work) for _ in range(3)] == ["fact 1"] * 3
    with remembering(facts):
        assert remembered("fact", [file], work) == "fact 1"
    assert remembered("fact", [file], work) == "fact 2"


def test_another_fact_or_other_files_are_found_out_anew(file, facts, tmp_path):
    other, work = tmp_path / "other", Work()
    other.write_bytes(b"abc")
    with remembering(facts):
        found = [remembered(what, paths, work) for what in ("a", "b") for paths in ([file], [other], [file, other])]
        assert len(set(found)) == 6
        assert remembered("a", [file], work) == found[0]


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_changed_file_is_looked_at_again(file, facts, change):
    work = Work()
    with remembering(facts):
        remembered("fact", [file], work)
        status = file.stat()
        if change == "size":
            file.write_bytes(b"abcd")
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        else:
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        assert remembered("fact", [file], work) == "fact 2"


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b'{"x": 3}'])
def test_a_damaged_memory_is_written_anew(file, facts, content):
    facts.parent.mkdir()
    facts.write_bytes(content)
    work = Work()
    with remembering(facts):
        assert [remembered("fact", [file], work) for _ in range(2)] == ["fact 1"] * 2


def test_a_file_that_is_gone_is_an_error(tmp_path, facts):
    with remembering(facts), pytest.raises(FileNotFoundError):
        remembered("fact", [tmp_path / "nowhere"], Work())


def test_a_failed_search_keeps_nothing(file, facts):
    def fail():
        raise ValueError("no")

    with remembering(facts):
        with pytest.raises(ValueError, match="no"):
            remembered("fact", [file], fail)
        assert remembered("fact", [file], Work()) == "fact 1"
