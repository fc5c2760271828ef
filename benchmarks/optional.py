"""Tell a missing optional package from a broken import."""

OPTIONAL = ("flax", "pyscf", "matplotlib", "scipy")


def missing_package(error: BaseException) -> str | None:
    """The optional package whose absence is behind this error, or `None` if it is a real fault."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ModuleNotFoundError) and seen.name:
            root = seen.name.partition(".")[0]
            if root in OPTIONAL:
                return root
        if isinstance(seen, ImportError) and "pip install 'jaxsci[" in str(seen):
            return str(seen)
        seen = seen.__cause__ or seen.__context__
    return None
