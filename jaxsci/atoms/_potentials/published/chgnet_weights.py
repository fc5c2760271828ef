"""The published weights of CHGNet, by name of its own, as a tree of parameters."""

import importlib.util
from importlib import resources
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxsci.nn import Dense, GatedMLP, RadialBessel

from .torch_file import read_torch

_SHIPPED = "0.3.0"
_OTHERS = ("r2scan", "0.2.0")
_SHIPPED_SETTINGS = {"atom_graph_cutoff": 6, "bond_graph_cutoff": 3, "cutoff_coeff": 8}
_EXPECTED = {"read_out": "ave", "mlp_first": True, "non_linearity": "silu", "is_intensive": True}


def load(weights: str | Path, dtype: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """`(params, settings)`: the parameters by part, and the two cutoffs."""
    state, settings = _read(weights)
    cutoffs = {
        "cutoff": float(settings["atom_graph_cutoff"]),
        "angle_cutoff": float(settings["bond_graph_cutoff"]),
    }
    names = _Names({key: jnp.asarray(value, dtype) for key, value in state.items()})
    params = _params(names, cutoffs, int(settings["cutoff_coeff"]))
    if left := names.left():
        raise ValueError(f"{weights} is of another architecture: its {left[:3]} have no place.")
    return params, cutoffs


def _read(weights: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    if str(weights) == _SHIPPED:
        folder = resources.files("jaxsci.atoms") / "data"
        with (folder / "chgnet-0.3.0.npz").open("rb") as file, np.load(file) as stored:
            return dict(stored), _SHIPPED_SETTINGS
    saved = read_torch(_installed(str(weights)) if str(weights) in _OTHERS else _file(weights))
    try:
        state, settings = saved["model"]["state_dict"], saved["model"]["model_args"]
    except (KeyError, TypeError):
        raise ValueError(f"{weights} is not a file of chgnet's trainer: no model in it.") from None
    for name, value in _EXPECTED.items():
        if settings.get(name, value) != value:
            raise ValueError(
                f"{weights} has {name}={settings[name]!r}; only {value!r} can be read."
            )
    return dict(state), {**_SHIPPED_SETTINGS, **settings}


def _installed(version: str) -> Path:
    found = importlib.util.find_spec("chgnet")
    if found is None or not found.submodule_search_locations:
        raise ImportError(
            f"the weights {version!r} come with the package chgnet, which is not installed: "
            f"pip install --no-deps chgnet, or use those of {_SHIPPED!r}."
        )
    folder = Path(found.submodule_search_locations[0]) / "pretrained" / version
    files = sorted(folder.glob("*.pth.tar"))
    if len(files) != 1:
        raise ImportError(f"the installed chgnet has no weights {version!r} in {folder}.")
    return files[0]


def _file(weights: str | Path) -> Path:
    if not Path(weights).is_file():
        known = ", ".join(map(repr, (_SHIPPED, *_OTHERS)))
        raise ValueError(f"no weights {str(weights)!r}: neither {known} nor a file.")
    return Path(weights)


class _Names:
    """The arrays of a file, which remembers those that were taken."""

    def __init__(self, arrays: dict[str, jax.Array]):
        self._arrays, self._taken = arrays, set()

    def has(self, name: str) -> bool:
        return name in self._arrays

    def take(self, name: str) -> jax.Array:
        if name not in self._arrays:
            raise ValueError(f"the weights are of another architecture: they have no {name}.")
        self._taken.add(name)
        return self._arrays[name]

    def affine(self, name: str) -> dict[str, jax.Array]:
        """An affine layer; one without a bias has none to be trained."""
        layer = {"weight": self.take(f"{name}.weight").T}
        return layer | ({"bias": self.take(f"{name}.bias")} if self.has(f"{name}.bias") else {})

    def norm(self, name: str) -> eqx.nn.LayerNorm | None:
        if not self.has(f"{name}.weight"):
            return None
        scale, offset = self.take(f"{name}.weight"), self.take(f"{name}.bias")
        fresh = eqx.nn.LayerNorm(len(scale), dtype=scale.dtype)
        return eqx.tree_at(lambda n: (n.weight, n.bias), fresh, (scale, offset))

    def left(self) -> list[str]:
        return sorted(set(self._arrays) - self._taken)


def _params(names: _Names, cutoffs: dict[str, float], power: int) -> dict[str, Any]:
    depth = len(_places(names, "bond_conv_layers", "mlp_out.layers.1.weight"))
    expansion = "bond_basis_expansion.rbf_expansion"
    return {
        "elements": {
            "embedding": names.take("atom_embedding.embedding.weight"),
            "energy": names.take("composition_model.fc.weight")[0],
        },
        "bonds": {
            "basis": _basis(names, f"{expansion}_ag", cutoffs["cutoff"], power),
            "close_basis": _basis(names, f"{expansion}_bg", cutoffs["angle_cutoff"], power),
            "embedding": names.take("bond_embedding.weight").T,
            "weight": names.take("bond_weights_ag.weight").T,
            "close_weight": names.take("bond_weights_bg.weight").T,
        },
        "angles": {
            "frequencies": names.take("angle_basis_expansion.fourier_expansion.frequencies"),
            "embedding": names.take("angle_embedding.weight").T,
        },
        "layers": _stacked([_layer(names, number) for number in range(depth)]),
        "last": _update(names, f"atom_conv_layers.{depth}", "atom"),
        "moment": names.affine("site_wise"),
        "norm": names.norm("readout_norm"),
        "readout": tuple(names.affine(f"mlp.layers.{k}") for k in _places(names, "mlp.layers")),
    }


def _layer(names: _Names, number: int) -> dict[str, Any]:
    return {
        "atoms": _update(names, f"atom_conv_layers.{number}", "atom"),
        "bonds": _update(names, f"bond_conv_layers.{number}", "bond"),
        "angles": _gated(names, f"angle_layers.{number}.twoBody_bond"),
    }


def _update(names: _Names, name: str, kind: str) -> dict[str, Any]:
    gated = _gated(names, f"{name}.twoBody_{kind}")
    return {"gated": gated, "out": names.affine(f"{name}.mlp_out.layers.1")}


def _gated(names: _Names, name: str) -> GatedMLP:
    """Chgnet counts activations and dropout among the layers, so the places of layers vary."""
    places = _places(names, f"{name}.mlp_core.layers")
    core, gate = (
        tuple(_dense(names, f"{name}.mlp_{part}.layers.{k}") for k in places)
        for part in ("core", "gate")
    )
    first, second = names.norm(f"{name}.bn1"), names.norm(f"{name}.bn2")
    norms = None if first is None or second is None else (first, second)
    return _filled(GatedMLP, core=core, gate=gate, norms=norms)


def _dense(names: _Names, name: str) -> Dense:
    return _filled(Dense, **names.affine(name))


def _basis(names: _Names, name: str, cutoff: float, power: int) -> RadialBessel:
    frequencies = names.take(f"{name}.frequencies")
    fresh = RadialBessel(len(frequencies), cutoff, power=power, dtype=frequencies.dtype)
    return eqx.tree_at(lambda basis: basis.frequencies, fresh, frequencies)


def _filled(kind: type, **fields: Any) -> Any:
    """A module of these fields, without the random numbers of its constructor."""
    module = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(module, name, value)
    return module


def _places(names: _Names, prefix: str, end: str = "weight") -> list[int]:
    """The numbers k of those layers `prefix.k` that have weights, in order."""
    return [k for k in range(10) if names.has(f"{prefix}.{k}.{end}")]


def _stacked(layers: list[Any]) -> Any:
    """Layers of one structure as one, with a leading axis: the loop over them compiles once."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)
