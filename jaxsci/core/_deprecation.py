"""Deprecation of public names and arguments."""

import warnings

MINORS_KEPT = 2


def warn_deprecated(old: str, *, instead: str, since: str, stacklevel: int = 3) -> None:
    """Warn that `old` still works, for how long, and what replaces it.

    Call it in the public function that recognises the old form. What is deprecated in 0.2 works in
    0.2 and 0.3 and is removed in 0.4.

    **Arguments:**

    - `old`: what is deprecated, as a user writes it: "area(tall=)".
    - `instead`: what to write now.
    - `since`: the first release that warns, "major.minor".
    - `stacklevel`: 3 names the line that called the function which calls this one; one more for
      each function in between.

    **Raises:** `ValueError` if `since` is not "major.minor".

    ```python
    from jaxsci.core import warn_deprecated

    warn_deprecated("molecule(charge_of=)", instead="molecule(charge=)", since="0.2")
    ```
    """
    warnings.warn(
        f"{old} is deprecated since jaxsci {since} and will be removed in {removal(since)}. "
        f"Use {instead} instead.",
        DeprecationWarning,
        stacklevel=stacklevel,
    )


def removal(since: str) -> str:
    """The release that removes what is deprecated since `since`, both "major.minor"."""
    try:
        major, minor = map(int, since.split("."))
    except ValueError:
        raise ValueError(f'`since` must be a release such as "0.2", got {since!r}.') from None
    return f"{major}.{minor + MINORS_KEPT}"
