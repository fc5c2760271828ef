"""Networks of Skala of several sizes, with random parameters."""

from typing import Any

import jax

import jaxsci as jsci

SMALL = {"width": 16, "channels": 4, "lmax": 1, "layers": 1}


def random(**sizes: int) -> tuple[jsci.dft.Functional, Any]:
    """Without sizes, that of the published network."""
    return jsci.dft.skala(key=jax.random.key(0), **sizes)
