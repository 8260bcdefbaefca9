"""What /openapi.json describes, asked in ways that follow it and ways that do not: never an error of the server's."""

from __future__ import annotations

import contextlib

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

from tests.server.wire import Server

# Seeded by the test itself: the same questions in each run.
_BOUNDED = settings(
    max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
def test_no_request_makes_an_error_of_the_server(server: Server, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {"/predict", "/models", "/readyz"} <= {operation.path for operation in operations}
    asked = 0
    for operation in operations:

        @_BOUNDED
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case) -> None:
            nonlocal asked
            case.call_and_validate(checks=[not_a_server_error], timeout=30)
            asked += 1

        with contextlib.suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
            ask()
    assert asked >= 25
