"""Write a file completely or not at all, despite interruptions and concurrent writers."""

import contextlib
import glob
import os
import pathlib
import secrets
import stat
from collections.abc import Iterable

# Distinguishes processes with the same PID, as after the restart of a container.
_THIS_PROCESS = secrets.token_hex(4)


def write_file(
    path: pathlib.Path, parts: Iterable[bytes], previous: pathlib.Path | None = None
) -> None:
    """Replace the file, or the target of a link; the old file is kept as `previous` if given."""
    path = resolved(path)
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a file, so it cannot be replaced: give another path.")
    name = f"{path.name}.partial-{os.getpid()}-{_THIS_PROCESS}-{secrets.token_hex(4)}"
    partial = path.with_name(name)
    try:
        with open(partial, "xb") as file:
            with contextlib.suppress(FileNotFoundError):
                partial.chmod(stat.S_IMODE(path.stat().st_mode))
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        if previous is not None:
            # Another run on the same path may have moved it a moment ago.
            with contextlib.suppress(FileNotFoundError):
                os.replace(path, previous)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def remove_partial(path: pathlib.Path) -> None:
    """Remove the partial files that killed writers left behind."""
    for partial in path.parent.glob(f"{glob.escape(path.name)}.partial-*"):
        if not _is_being_written(partial.name.rpartition(".partial-")[2]):
            with contextlib.suppress(OSError):
                partial.unlink()


def resolved(path: str | os.PathLike) -> pathlib.Path:
    """The file itself, where a symbolic link points to it."""
    return pathlib.Path(os.path.realpath(path))


def _is_being_written(suffix: str) -> bool:
    number, _, name = suffix.partition("-")
    if not number.isdecimal():
        return True
    if int(number) == os.getpid():  # forked processes share the name, not the number
        return _THIS_PROCESS in name
    if os.name != "posix":
        return False
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # owned by another user
    return True


def _sync_folder(folder: pathlib.Path) -> None:
    """Make a rename survive a power cut, on systems that can open a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
