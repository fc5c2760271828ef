"""Counting what is compiled."""

import contextlib

import jax
import jax.monitoring
import pytest

_EVENT = "/jax/core/compile/backend_compile_duration"


@pytest.fixture
def compilations():
    """`with compilations() as count:` counts the programs that are compiled inside."""

    @contextlib.contextmanager
    def counting():
        seen = []

        def listen(name, _, **__):
            if name == _EVENT:
                seen.append(name)

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            yield lambda: len(seen)
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)

    return counting
