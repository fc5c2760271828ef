"""What the name of a functional makes PySCF add to one that is not its own."""

from typing import Any

from .._xc import Functional


def check_name(functional: Functional, xc_code: Any) -> None:
    """Refuse a name by which PySCF would leave something out, or add something."""
    from pyscf.dft import libxc

    exact = functional.exact_exchange or functional.long_range_exchange
    if exact and not libxc.is_hybrid_xc(xc_code):
        raise ValueError(
            "the functional has exact exchange, which PySCF leaves out where mf.xc names none, "
            f"as {xc_code!r}: set mf.xc = 'hf' before the calculation."
        )
    if libxc.is_nlc(xc_code):
        raise ValueError(
            f"PySCF would add the nonlocal correlation of mf.xc = {xc_code!r} to the "
            "functional: set mf.xc to 'hf' or 'lda'."
        )
