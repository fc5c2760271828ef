"""The field of a molecule that said before 0.2 how its spins are treated."""

import functools
from typing import Any, TypeVar

from ...core import warn_deprecated
from .spins import Spins

_T = TypeVar("_T")


def accepts_old_fields(cls: type[_T]) -> type[_T]:
    """The class, made also with `restricted=`, as in `dataclasses.replace(m, restricted=False)`."""
    init = cls.__init__

    @functools.wraps(init)
    def renewed(self, *args: Any, restricted: bool | None = None, **fields: Any) -> None:
        if restricted is not None:
            fields["spins"] = spins = _changed(Spins(fields["spins"]), restricted)
            warn_deprecated(
                f"dataclasses.replace(molecule, restricted={restricted})",
                instead=f'dataclasses.replace(molecule, spins="{spins}")',
                since="0.2",
                stacklevel=6,  # past Equinox and dataclasses
            )
        init(self, *args, **fields)

    cls.__init__ = renewed
    return cls


def _changed(spins: Spins, restricted: bool) -> Spins:
    if restricted:
        return Spins.RESTRICTED
    return Spins.UNRESTRICTED if spins is Spins.RESTRICTED else spins
