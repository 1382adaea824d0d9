"""Options of plugins, held against the types that the plugins annotate. Imports no torch."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError


def mismatch(annotation: Any, value: object) -> str:
    """Why a value of a suite is not of a type, as JSON has it, not converted; empty where it is.

    Examples:
        >>> mismatch(bool, "no")
        'Input should be a valid boolean'
        >>> mismatch(int | None, 3)
        ''
    """
    try:
        TypeAdapter(annotation).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        return " or ".join(dict.fromkeys(item["msg"] for item in error.errors(include_url=False, include_input=False)))
    except (PydanticUserError, TypeError):  # a type that JSON knows nothing of: the plugin's own business
        return ""
    return ""
