"""The checkpoint files of PySCF's mean fields, which nothing here reads."""

from typing import Any


def without_checkpoint(field: Any) -> Any:
    """The mean field with its temporary file closed, which the garbage collector would warn of.

    There is none where the user's configuration of PySCF has turned checkpoints off.
    """
    if (file := getattr(field, "_chkfile", None)) is not None:
        file.close()
    field.chkfile = None
    return field
