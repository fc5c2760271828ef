"""Stand-ins for packages that a peer imports and does not use in what we run."""

import importlib.machinery
import sys
import types


class Missing(types.ModuleType):
    """A module that has every name, each of which may be called."""

    __path__ = []  # noqa: RUF012 - of a package, so that its submodules may be asked for

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(name)

    def __call__(self, *_, **__):
        return Missing(self.__name__)


def stand_in(*names: str) -> None:
    """Let these names be imported."""
    for name in names:
        sys.modules[name] = Missing(name)
        sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
