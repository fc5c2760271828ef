"""Exact constraints of density functional theory, as residuals of any semilocal functional.

Each is `constraint(functional, params, features)` at ONE point, and zero where it holds. Most are
dimensionless, the others in Hartree. Test them, plot them, or add them to a loss:

```python
lieb_oxford = functools.partial(jsci.dft.constraints.lieb_oxford, functional)
jsci.objective({"lieb_oxford": lieb_oxford, ...})  # batch["lieb_oxford"] = sample_features(key, n)
```
"""

from ._combined import (
    hydrogen_atom as hydrogen_atom,
    lieb_oxford as lieb_oxford,
    spin_symmetry as spin_symmetry,
)
from ._correlation import (
    correlation_adiabatic_concavity as correlation_adiabatic_concavity,
    correlation_gradient_expansion as correlation_gradient_expansion,
    correlation_high_density_limit as correlation_high_density_limit,
    correlation_low_density_limit as correlation_low_density_limit,
    correlation_of_one_electron as correlation_of_one_electron,
    correlation_of_uniform_gas as correlation_of_uniform_gas,
    correlation_rapidly_varying as correlation_rapidly_varying,
    correlation_scaling_inequality as correlation_scaling_inequality,
    correlation_sign as correlation_sign,
)
from ._densities import sample_features as sample_features, scale_uniformly as scale_uniformly
from ._exchange import (
    exchange_gradient_expansion as exchange_gradient_expansion,
    exchange_lieb_oxford as exchange_lieb_oxford,
    exchange_nonuniform_scaling as exchange_nonuniform_scaling,
    exchange_of_two_electrons as exchange_of_two_electrons,
    exchange_of_uniform_gas as exchange_of_uniform_gas,
    exchange_sign as exchange_sign,
    exchange_spin_scaling as exchange_spin_scaling,
    exchange_uniform_scaling as exchange_uniform_scaling,
)
from ._table import Verdict as Verdict, constraint_table as constraint_table
