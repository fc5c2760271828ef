"""Exact constraints of density functional theory, as residuals of any semilocal functional.

Each is `constraint(functional, params, features)` at ONE point, and zero where it holds. Most are
dimensionless, the others in Hartree. Test them, plot them, or add them to a loss:

```python
lieb_oxford = functools.partial(jsci.dft.constraints.lieb_oxford, functional)
jsci.objective({"lieb_oxford": lieb_oxford, ...})  # batch["lieb_oxford"] = sample_features(key, n)
```
"""

from ._combined import hydrogen_atom, lieb_oxford, spin_symmetry
from ._correlation import (
    correlation_adiabatic_concavity,
    correlation_gradient_expansion,
    correlation_high_density_limit,
    correlation_low_density_limit,
    correlation_of_one_electron,
    correlation_of_uniform_gas,
    correlation_rapidly_varying,
    correlation_scaling_inequality,
    correlation_sign,
)
from ._densities import sample_features, scale_uniformly
from ._exchange import (
    exchange_gradient_expansion,
    exchange_lieb_oxford,
    exchange_nonuniform_scaling,
    exchange_of_two_electrons,
    exchange_of_uniform_gas,
    exchange_sign,
    exchange_spin_scaling,
    exchange_uniform_scaling,
)
from ._table import Verdict, constraint_table

__all__ = [
    "constraint_table", "Verdict", "sample_features", "scale_uniformly", "spin_symmetry",
    "lieb_oxford", "hydrogen_atom",
    # Exchange
    "exchange_sign", "exchange_of_uniform_gas", "exchange_gradient_expansion",
    "exchange_spin_scaling", "exchange_uniform_scaling", "exchange_nonuniform_scaling",
    "exchange_lieb_oxford", "exchange_of_two_electrons",
    # Correlation
    "correlation_sign", "correlation_of_uniform_gas", "correlation_of_one_electron",
    "correlation_gradient_expansion", "correlation_high_density_limit",
    "correlation_low_density_limit", "correlation_rapidly_varying",
    "correlation_scaling_inequality", "correlation_adiabatic_concavity",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
