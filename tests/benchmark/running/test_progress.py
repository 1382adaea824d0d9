"""What a person is told of an error: one line that says which it is and what it is about."""

import io
from types import SimpleNamespace

import pytest
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress

from sembench.errors import DataMissing
from sembench.results.score import NotApplicable
from sembench.running.progress import LiveReporter, PlainReporter, reason_of


def test_an_error_is_its_kind_and_its_first_line():
    assert reason_of(DataMissing("not there.\nmore")) == "DataMissing: not there."


def test_an_error_of_a_schema_names_every_field():
    with pytest.raises(ValidationError) as caught:
        NotApplicable(measure=None, reason=5)
    told = reason_of(caught.value)
    assert told.startswith("ValidationError: NotApplicable: measure: Input should be a valid dictionary")
    assert told.endswith("; reason: Input should be a valid string")
    assert "\n" not in told


def _told(reporter):
    run = SimpleNamespace(name="digits/[a]/0")
    reporter.phase(run, "fitting")
    reporter.note("no [room]")
    reporter.finished(run, SimpleNamespace(scores={}), 1.5)
    reporter.failed(run, DataMissing("not there"))


def test_a_live_reporter_says_what_a_plain_one_does_above_its_bar():
    plain, live = io.StringIO(), io.StringIO()
    _told(PlainReporter(plain, total=4, done=1))
    with Progress(console=Console(file=live, width=200)) as progress:
        _told(LiveReporter(progress, total=4, done=1))
        (bar,) = progress.tasks
        assert (bar.completed, bar.description) == (3, r"digits/\[a]/0: fitting")
    said = [line.partition("] ")[2] for line in plain.getvalue().splitlines()]
    assert said[0] == "digits/[a]/0: fitting"
    assert said[2].startswith("digits/[a]/0: done in 1.5 s (2/4)")
    assert [line.strip() for line in live.getvalue().splitlines()][:3] == [line.strip() for line in said[1:]]
