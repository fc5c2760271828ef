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

from .collection import uncollected

_SECONDS = 2.0


@contextlib.contextmanager
def announced(what: str, progress: bool = True) -> Iterator[None]:
    """Show a line with `what` and the seconds that pass, from the second on until it is done."""
    if not progress:
        yield
        return
    done = threading.Event()
    watch = threading.Thread(target=_show, args=(what, done), daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()


def _show(what, done):
    if done.wait(_SECONDS):
        return
    with tqdm(desc=what, bar_format="{desc}, {elapsed}", leave=False) as line:
        while not done.wait(1.0):
            line.refresh()


class _Call(threading.local):
    """The call of an `announced_jit` function that this thread is in."""

    inside = False
    until_done: contextlib.ExitStack | None = None  # if nothing has been announced yet


_CALL = _Call()


def announced_jit(what: str) -> Callable[[Callable], "_Announced"]:
    """`equinox.filter_jit` that says what it compiles, once that takes more than two seconds.

    The line appears only where JAX traces the function, as it does if the program is not there
    yet. Nothing is said inside another such function, or inside a transformation by the user.

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
            if until_done is not None:
                until_done.enter_context(announced(what))
            with uncollected():
                return f(*args, **kwargs)

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
                _CALL.inside, _CALL.until_done = False, None
