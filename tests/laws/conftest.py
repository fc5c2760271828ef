"""The inputs that each fuzzed test tries travel with its report, also from a worker of xdist."""

import pytest
from strategies import TRIED


@pytest.fixture(autouse=True)
def _record_inputs(record_property):
    before = TRIED.copy()
    yield
    for kind, count in (TRIED - before).items():
        record_property(f"fuzzed {kind}", count)
