"""Say what is being compiled, once that takes long enough to wonder."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
from jax.core import Tracer
from tqdm import tqdm

from .garbage_collection import uncollected

_SECONDS = 2.0


# What JAX reports when it has compiled a program.
_COMPILED = "/jax/core/compile/backend_compile_duration"


class _Line:
    """What is being done, as another thread shows it."""

    def __init__(self, what: str):
        self.what, self.done = what, threading.Event()

    def show(self) -> None:
        if self.done.wait(_SECONDS):
            return
        with tqdm(desc=self.what, bar_format="{desc}, {elapsed}", leave=False) as bar:
            while not self.done.wait(1.0):
                if bar.desc != self.what:
                    bar.set_description_str(self.what, refresh=False)
                    bar.reset()
                bar.refresh()


@contextlib.contextmanager
def announced(what: str, progress: bool = True) -> Iterator[_Line]:
    """Show a line with `what` and the seconds that pass, from the second on until it is done."""
    line = _Line(what)
    if not progress:
        yield line
        return
    watch = threading.Thread(target=line.show, daemon=True)
    watch.start()
    try:
        yield line
    finally:
        line.done.set()
        watch.join()


class _Call(threading.local):
    """The call of an `announced_jit` function that this thread is in."""

    inside = False
    until_done: contextlib.ExitStack | None = None  # if nothing has been announced yet
    compiling: _Line | None = None  # from the end of tracing to that of the compilation


_CALL = _Call()


def _on_event(event: str, *_: Any, **__: Any) -> None:
    """Where JAX runs the program within the call, as on a CPU, the line goes on with that."""
    line = _CALL.compiling
    if line is not None and event == _COMPILED:
        _CALL.compiling = None
        line.what = line.what.replace("compiling", "computing", 1)


jax.monitoring.register_event_duration_secs_listener(_on_event)


def announced_jit(what: str) -> Callable[[Callable], "_Announced"]:
    """`equinox.filter_jit` that says what it compiles, once that takes more than two seconds.

    The line appears only where JAX traces the function, as it does if the program is not there
    yet. Once that is compiled, it says "computing" in place of "compiling". Nothing is said inside
    another such function, or inside a transformation by the user.

    **Arguments:**

    - `what`: what the line says, such as "compiling the forces".

    **Returns:** a decorator of a function of pytrees.

    ```python
    from jaxsci.core import announced_jit

    double = announced_jit("compiling a product")(lambda x: 2 * x)
    double(jnp.ones(3))
    ```
    """
    return functools.partial(_Announced, what)


class _Announced:
    """A jitted function, made by `announced_jit`."""

    def __init__(self, what: str, f: Callable):
        def traced(*args, **kwargs):
            until_done, _CALL.until_done = _CALL.until_done, None
            line = until_done.enter_context(announced(what)) if until_done is not None else None
            with uncollected():
                out = f(*args, **kwargs)
            if line is not None:
                _CALL.compiling = line
            return out

        self._jitted: Any = eqx.filter_jit(functools.wraps(f)(traced))
        self.lower = self._jitted.lower
        functools.update_wrapper(self, f)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves = jax.tree.leaves((args, kwargs))
        if _CALL.inside or any(isinstance(leaf, Tracer) for leaf in leaves):
            with uncollected():
                return self._jitted(*args, **kwargs)
        with contextlib.ExitStack() as until_done:
            _CALL.inside, _CALL.until_done = True, until_done
            try:
                return self._jitted(*args, **kwargs)
            finally:
                _CALL.inside, _CALL.until_done, _CALL.compiling = False, None, None
