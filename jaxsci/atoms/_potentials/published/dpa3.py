"""DPA3: a potential on the line graph, with the weights of a model that deepmd-kit trained."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ..._structure.atoms import Atoms
from ..._structure.graph import Graph
from ..line_graph.potential import LineGraphPotential
from .deepmd_file import read_deepmd
from .dpa3_weights import line_graph_potential

# What is read, of all that deepmd-kit can be told.
_MODEL = {"type": "standard", "atom_exclude_types": [], "pair_exclude_types": []}
_DESCRIPTOR = {
    "type": "dpa3",
    "concat_output_tebd": False,
    "exclude_types": [],
    "env_protection": 0.0,
    "use_econf_tebd": False,
    "add_chg_spin_ebd": False,
}
_UPDATES = {
    "n_multi_edge_message": 1,
    "axis_neuron": 4,
    "update_angle": True,
    "update_style": "res_residual",
    "fix_stat_std": 0.3,
    "sequential_update": False,
}
_FITTING = {
    "type": "ener",
    "mixed_types": True,
    "numb_fparam": 0,
    "numb_aparam": 0,
    "dim_case_embd": 0,
    "exclude_types": [],
}


class DPA3(eqx.Module):
    """Made by `dpa3`, which describes it."""

    cutoff: float = eqx.field(static=True)
    angle_cutoff: float = eqx.field(static=True)

    def __call__(self, params: LineGraphPotential, atoms: Atoms, graph: Graph) -> Float[Array, ""]:
        """The energy of a structure, eV."""
        return params(atoms, graph)


def dpa3(path: str | Path, *, dtype: DTypeLike | None = None) -> tuple[DPA3, LineGraphPotential]:
    """A DPA3 potential that deepmd-kit trained, from its file.

        E = Σ_i (readout(x_i) + e(Z_i))

    Its graph needs edges within `energy.cutoff` and angles within `energy.angle_cutoff`.

    **Arguments:**

    - `path`: a model in deepmd-kit's format `.dp`, as
        `dp convert-backend model.pth model.dp` writes it. Nothing in it is executed; h5py reads it
        (extra `files`).
    - `dtype`: of the parameters; by default JAX's default float type.

    **Returns:** `(energy, params)`, with the energy in eV. `params` is a `LineGraphPotential`, so
    that it trains further.

    **Raises:** `ValueError` for a file of another kind, or options that are not read: sequential
    updates, several messages per edge, compression by a layer, embeddings of charges, spins or
    electronic configurations, fitting networks with parameters, atomic energies that were given, or
    excluded elements; for a file that is damaged; in a call, for an element that it does not know
    (under jit the energy is NaN). `ImportError` without h5py.

    **Notes:** deepmd-kit leaves out all but the nearest `e_sel` and `a_sel` neighbours; here all of
    them count, and the energies are the same where there are no more. With `use_exp_switch` or
    without `smooth_edge_update` the energy jumps a little where a neighbour crosses a cutoff.

    **Source:** Zhang et al., "A graph neural network for the era of large atomistic models" (2025).

    ```python
    energy, params = jsci.atoms.dpa3("model.dp")  # written by dp convert-backend
    ```
    """
    model = read_deepmd(path)
    try:
        _check(path, model)
        params = line_graph_potential(model, jnp.dtype(dtype or jnp.result_type(float)))
    except (AttributeError, KeyError, TypeError) as problem:
        raise ValueError(
            f"{path} does not hold all parts of a DPA3 model ({problem!r}): make it again by "
            "`dp convert-backend model.pth model.dp`."
        ) from problem
    return DPA3(params.cutoff, params.angle_cutoff), params


def _check(path: str | Path, model: dict[str, Any]) -> None:
    _expect(path, model, _MODEL)
    _expect(path, model["descriptor"], _DESCRIPTOR)
    _expect(path, model["descriptor"]["repflow_args"], _UPDATES)
    fitting = model["fitting"]
    _expect(path, fitting, _FITTING)
    # Energies of atoms that are given, of which the readout's value at zero is taken away.
    given = [energy for energy in fitting.get("atom_ener") or [] if energy is not None]
    _expect(path, {"atom_ener": given}, {"atom_ener": []})


def _expect(path: str | Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if found.get(name, value) != value:
            raise ValueError(f"{path} has {name}={found[name]!r}; only {value!r} can be read.")
