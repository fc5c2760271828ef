"""Say what is being compiled, once that takes long enough to wonder."""

import contextlib
import threading
from collections.abc import Iterator

from tqdm import tqdm

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
