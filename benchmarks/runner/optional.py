"""Tell an optional thing that is not here from a real fault."""

OPTIONAL = (
    "flax",
    "pyscf",
    "matplotlib",
    "scipy",
    "sklearn",
    "mlxtend",
    "global_land_mask",
    "geometric",
    "h5py",
)


class NotHere(ImportError):
    """What a case needs and this machine lacks; the text says what it is, and how to get it."""


def missing_package(error: BaseException) -> str | None:
    """What optional thing's absence is behind this error, or `None` if it is a real fault."""
    seen: BaseException | None = error
    while seen is not None:
        # A missing submodule of an installed package has a dotted name, and is a fault.
        if isinstance(seen, ModuleNotFoundError) and seen.name in OPTIONAL:
            return seen.name
        if isinstance(seen, NotHere):
            return str(seen)
        if isinstance(seen, ImportError) and "pip install 'jaxsci[" in str(seen):
            return str(seen)
        seen = seen.__cause__ or seen.__context__
    return None
