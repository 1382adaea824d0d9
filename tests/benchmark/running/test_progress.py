"""What a person is told of an error: one line that says which it is and what it is about."""

import pytest
from pydantic import ValidationError

from sembench.errors import DataMissing
from sembench.results.score import NotApplicable
from sembench.running.progress import reason_of


def test_an_error_is_its_kind_and_its_first_line():
    assert reason_of(DataMissing("not there.\nmore")) == "DataMissing: not there."


def test_an_error_of_a_schema_names_every_field():
    with pytest.raises(ValidationError) as caught:
        NotApplicable(measure=None, reason=5)
    told = reason_of(caught.value)
    assert told.startswith("ValidationError: NotApplicable: measure: Input should be a valid dictionary")
    assert told.endswith("; reason: Input should be a valid string")
    assert "\n" not in told
