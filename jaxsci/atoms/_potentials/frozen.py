"""Parts of a potential that a training leaves as they are."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from .._structure.atoms import Atoms
from .._structure.graph import Graph


class Frozen(eqx.Module):
    """Made by `frozen`, which describes it."""

    energy: Callable[..., Any]
    fixed: PyTree

    def params(self, trained: PyTree) -> PyTree:
        """All parameters of the whole potential, with those that were trained.

        **Arguments:**

        - `trained`: the parameters of this energy.

        **Returns:** parameters of the energy that `frozen` was given.

        ```python
        part, some = jsci.atoms.frozen(energy, params, ["sigma"])
        part.params(some)["sigma"]
        ```
        """
        return eqx.combine(trained, self.fixed)

    def __call__(self, params: PyTree, atoms: Atoms, graph: Graph) -> Any:
        """That of the whole potential."""
        return self.energy(self.params(params), atoms, graph)


def frozen(
    energy: Callable[[PyTree, Atoms, Graph], Any], params: PyTree, names: Sequence[str]
) -> tuple[Frozen, PyTree]:
    """A potential of which some parameters stay fixed, for fine-tuning.

    **Arguments:**

    - `energy`, `params`: a potential.
    - `names`: what stays fixed, by the names of parts: `"layers"` for all within it, or longer
        ones such as `"layers.atoms"`.

    **Returns:** `(energy, params)` of the rest. `energy.params(trained)` puts the whole together.

    **Raises:** `ValueError` for a name that is no part, or if nothing is left.

    **Good values:** for CHGNet on a few hundred structures, fix `["elements", "bonds", "angles",
    "layers"]`, so that the last layer and the readout adapt.

    ```python
    part, some = jsci.atoms.frozen(energy, params, ["sigma"])
    ```
    """
    paths = [
        jax.tree_util.keystr(path, simple=True, separator=".")
        for path, _ in jax.tree_util.tree_leaves_with_path(params)
    ]
    within = lambda path, name: f"{path}.".startswith(f"{name}.")  # noqa: E731
    for name in names:
        if not any(within(path, name) for path in paths):
            parts = list(dict.fromkeys(path.partition(".")[0] for path in paths))
            raise ValueError(f"the parameters have no part {name!r}: they have {parts}.")
    free = [not any(within(path, name) for name in names) for path in paths]
    if not any(free):
        raise ValueError(f"nothing is left to be trained: {list(names)} are all parts.")
    trained, fixed = eqx.partition(params, jax.tree.unflatten(jax.tree.structure(params), free))
    return Frozen(energy, fixed), trained
