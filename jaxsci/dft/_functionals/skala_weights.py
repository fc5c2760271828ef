"""The published parameters of Skala, from a file that NumPy reads."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...core import require_x64
from .._xc import Functional
from .couplings import powers, weight_counts
from .skala import RADIAL_WIDTHS, functional

_START = "input_model.0.weight"
# Tables that follow from the architecture; the products are checked against those of the file.
_TABLES = re.compile(r"\.(_tp_\w+|w3j_\w+|u_matrix_\d)$|^semi_local_features\.|^radial_basis\.")
_CHECKED_TO = 1e-4  # of single-precision tables


def read_skala(path: str | Path) -> tuple[Functional, dict[str, Any]]:
    """The functional Skala with published parameters, from your own file of them.

    jsci does not ship them. Convert the downloaded `skala-1.1.fun` once, where torch is installed:

        import numpy, torch
        state = torch.jit.load("skala-1.1.fun", map_location="cpu").state_dict()
        numpy.savez("skala-1.1.npz", **{name: x.numpy() for name, x in state.items()})

    **Arguments:**

    - `path`: an .npz file of the network's state, by torch's names; of any width, channels, lmax
        and number of layers.

    **Returns:** `(functional, params)` as `skala` does, in double precision.

    **Raises:** `FileNotFoundError` without the file; `ValueError` for one that is not an .npz of
    numbers, or of another architecture: missing, left over or misshapen arrays, other radial
    widths, or another basis of the products.

    **Notes:** dispersion is not in it; the published functional adds D3 with the settings that its
    file names.

    **Source:** Luise et al., arXiv 2506.14665; github.com/microsoft/skala (MIT).

    ```python
    functional, params = jsci.dft.read_skala("skala-1.1.npz")
    ```
    """
    require_x64("jsci.dft.read_skala")
    state = _State(path, _read(Path(path)))
    width, channels, lmax = state.sizes()
    layers = []
    while state.has(f"non_local_layers.{len(layers)}.pre_down_layer.0.weight"):
        name = f"non_local_layers.{len(layers)}."
        layers.append(_layer(state, name, width, channels, lmax))
    state.check_radial_widths(channels)
    params = {
        "encoder": [
            state.dense("input_model.0", (7, width)),
            state.dense("input_model.2", (width, width)),
        ],
        "layers": layers,
        "output": [
            state.dense("output_model.0", (width, width)),
            state.dense("output_model.2", (width, 1)),
        ],
    }
    if left := state.left():
        raise state.error(f"{left[:3]} have no place")
    return functional(), params


def _layer(state: "_State", name: str, width: int, channels: int, lmax: int) -> dict[str, Any]:
    square = channels, channels
    momenta = range(lmax + 1)
    mix = [state.take(f"{name}coarse_linear.weight_{l}_{l}", square) for l in momenta]
    products = []
    for l, counts in enumerate(weight_counts(lmax)):
        stem = f"{name}symmetric_product.contractions.{l}."
        one, two, three = (
            state.take(stem + key, (count, channels))
            for key, count in zip(("weights.1", "weights.0", "weights_max"), counts, strict=True)
        )
        products.append((one, two, three))
    state.check_products(f"{name}symmetric_product.contractions.", products)
    return {
        "send": state.dense(f"{name}pre_down_layer.0", (width, channels)),
        "down": state.batched(f"{name}tp_down.", [f"0_{l}_{l}" for l in momenta], square),
        "mix": jnp.stack(mix),
        "products": products,
        "up": state.batched(f"{name}tp_up.", [f"{l}_{l}_0" for l in momenta], square),
        "read": state.dense(f"{name}post_up_layer.0", square),
        "join": state.dense(f"{name}concat_layer.0", (width + channels, width)),
    }


def _read(path: Path) -> dict[str, np.ndarray]:
    """Arrays without pickle, by name from `input_model` on."""
    try:
        with np.load(path) as stored:
            state = {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path} is not an .npz file of numbers ({error}); read_skala says how to make one."
        ) from None
    # A traced module stands behind a prefix of its own.
    start = next((name.removesuffix(_START) for name in state if name.endswith(_START)), None)
    if start is None:
        raise ValueError(f"{path} is not of Skala: it has no array {_START!r}.")
    return {name.removeprefix(start): x for name, x in state.items()}


class _State:
    """The arrays of a file, each of which may be taken once."""

    def __init__(self, path: str | Path, arrays: Mapping[str, np.ndarray]):
        self._path = path
        self._arrays = arrays
        self._taken: set[str] = set()

    def error(self, what: str) -> ValueError:
        return ValueError(
            f"{self._path} is of another architecture than skala: {what}. Only networks of the "
            "published form can be read."
        )

    def has(self, name: str) -> bool:
        return name in self._arrays

    def take(self, name: str, shape: tuple[int, ...]) -> Any:
        if name not in self._arrays:
            raise self.error(f"{name!r} is missing")
        self._taken.add(name)
        array = self._arrays[name]
        if array.shape != shape:
            raise self.error(f"{name!r} has shape {array.shape}, not {shape}")
        if not np.all(np.isfinite(array)):
            raise self.error(f"{name!r} is not finite")
        return jnp.asarray(array, float)

    def dense(self, name: str, shape: tuple[int, int]) -> tuple[Any, Any]:
        return self.take(f"{name}.weight", shape[::-1]).T, self.take(f"{name}.bias", shape[1:])

    def batched(self, name: str, paths: list[str], shape: tuple[int, int]) -> Any:
        """The weights of a tensor product, in one array or, in older files, in one for each."""
        if self.has(f"{name}_batched_W"):
            return self.take(f"{name}_batched_W", (len(paths), *shape))
        wide = shape[0], 1, shape[1]
        return jnp.stack([self.take(f"{name}weight_{p}", wide)[:, 0] for p in paths])

    def sizes(self) -> tuple[int, int, int]:
        """Width, channels and largest angular momentum."""
        first = "non_local_layers.0."
        send = f"{first}pre_down_layer.0.weight"
        if not self.has(send) or self._arrays[send].ndim != 2:
            raise self.error(f"{send!r} is missing")
        channels, width = self._arrays[send].shape
        lmax = -1
        while self.has(f"{first}coarse_linear.weight_{lmax + 1}_{lmax + 1}"):
            lmax += 1
        if lmax < 0:
            raise self.error(f"'{first}coarse_linear.weight_0_0' is missing")
        return width, channels, lmax

    def left(self) -> list[str]:
        return [
            name for name in self._arrays if name not in self._taken and not _TABLES.search(name)
        ]

    def check_radial_widths(self, channels: int) -> None:
        """2 σ², where the file has them."""
        found = self._arrays.get("radial_basis.temps")
        ours = 2 * np.linspace(*RADIAL_WIDTHS, channels) ** 2
        if found is not None and (
            found.shape != ours.shape or not np.allclose(found, ours, rtol=_CHECKED_TO)
        ):
            raise self.error(f"its radial functions have 2 σ² = {found}, not {ours} Bohr²")

    def check_products(self, stem: str, products: list) -> None:
        """The tables of the file, where it has them, couple one vector as ours do."""
        size = len(products) ** 2
        x = np.random.default_rng(0).standard_normal(size) / math.sqrt(size)
        channels = products[0][0].shape[1]
        ours = np.asarray(powers(products, jnp.tile(x[None, :, None], (1, 1, channels))))[0]
        for l, weights in enumerate(products):
            names = [f"{stem}{l}.u_matrix_{n}" for n in (1, 2, 3)]
            if not all(map(self.has, names)):
                continue
            tables = [self._arrays[name] for name in names]
            theirs = np.zeros((2 * l + 1, channels))
            product = np.ones(1)
            for table, w in zip(tables, weights, strict=True):
                product = np.multiply.outer(product, x).ravel()
                if table.size != (2 * l + 1) * len(product) * len(w):
                    raise self.error(f"its tables of products have the shape {table.shape}")
                coupled = np.asarray(table, float).reshape(2 * l + 1, len(product), len(w))
                theirs += np.einsum("mip,i,pc->mc", coupled, product, np.asarray(w))
            if not np.allclose(
                theirs, ours[l**2 : (l + 1) ** 2], rtol=_CHECKED_TO, atol=_CHECKED_TO
            ):
                raise self.error(f"its products of vectors of momentum {l} couple them otherwise")
