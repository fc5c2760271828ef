"""The weights of a model of deepmd-kit, by its own names, as a line-graph potential."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxsci.nn import Dense

from ..._structure.elements import atomic_number
from ..line_graph.activations import activate
from ..line_graph.geometry import Settings
from ..line_graph.layer import LineGraphLayer
from ..line_graph.potential import LineGraphPotential
from ..line_graph.readout import Readout

Tree = dict[str, Any]


def line_graph_potential(model: Tree, dtype: Any) -> LineGraphPotential:
    """The potential of a model of the kind that `dpa3` reads, in this type."""
    filled = _Potential(model)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(filled)):
        raise ValueError("the file is damaged: some of the model's numbers are not finite.")
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), filled)


class _Potential(LineGraphPotential):
    def __init__(self, model: Tree):
        descriptor = model["descriptor"]
        options, stored = descriptor["repflow_args"], descriptor["repflow_variable"]
        _check_scales(stored["@variables"], options["fix_stat_std"])
        self.elements = tuple(atomic_number(symbol) for symbol in model["type_map"])
        if len(set(self.elements)) < len(self.elements):
            raise ValueError(f"the model knows an element twice: {model['type_map']}.")
        self.settings = Settings(
            float(options["e_rcut"]),
            float(options["a_rcut"]),
            float(options["e_rcut_smth"]),
            float(options["a_rcut_smth"]),
            options["use_exp_switch"],
            options["edge_init_use_dist"],
        )
        self.embedding = _types(descriptor["type_embedding"]["embedding"], len(self.elements))
        self.edges = _Dense(stored["edge_embd"])
        self.angles = stored["angle_embd"]["@variables"]["w"][0]
        activation = _activation(descriptor)
        layers = [_Layer(layer, options, activation) for layer in stored["repflow_layers"]]
        self.layers = jax.tree.map(lambda *leaves: np.stack(leaves), *layers)
        self.readout = _Readout(model["fitting"])
        biases = model["fitting"]["@variables"]["bias_atom_e"][:, 0]
        self.energies = biases + model["@variables"]["out_bias"][0, :, 0]


class _Layer(LineGraphLayer):
    def __init__(self, layer: Tree, options: Tree, activation: str):
        self.atoms = _Dense(layer["node_self_mlp"])
        self.moments = _Dense(layer["node_sym_linear"])
        self.messages = _Dense(layer["node_edge_linear"])
        self.edges = _Dense(layer["edge_self_linear"])
        self.bends = _Dense(layer["edge_angle_linear1"])
        self.sums = _Dense(layer["edge_angle_linear2"])
        self.angles = _Dense(layer["angle_self_linear"])
        rows = layer["@variables"]
        atoms, edges, angles = (jnp.stack(rows[f"{kind}_residual"]) for kind in "nea")
        self.residuals = atoms, edges, angles
        self.shares = _shares(options)
        factor = options["sel_reduce_factor"] if options["use_dynamic_sel"] else 1.0
        self.crowds = (options["e_sel"] / factor, options["a_sel"] / factor)
        self.smooth, self.activation = options["smooth_edge_update"], activation


class _Readout(Readout):
    def __init__(self, fitting: Tree):
        (network,) = fitting["nets"]["networks"]
        *hidden, last = network["layers"]
        self.layers = tuple(_Dense(layer) for layer in hidden)
        self.steps = tuple(layer["@variables"]["idt"] for layer in hidden)
        self.last = _Dense(last)
        self.activation = _activation(fitting)


class _Dense(Dense):
    def __init__(self, layer: Tree):
        self.weight, self.bias = layer["@variables"]["w"], layer["@variables"]["b"]


def _types(embedding: Tree, count: int) -> Array:
    """The vector of each element: what a network, affine or not, makes of the unit vectors."""
    x = jnp.eye(count)
    for layer in embedding["layers"]:
        w, b, step = (layer["@variables"][name] for name in ("w", "b", "idt"))
        y = x @ w + (0.0 if b is None else b[None])
        if layer["activation_function"].lower() not in ("linear", "none"):
            y = activate(layer["activation_function"], y)
        y = y if step is None else y * step[None]
        ratio, rest = divmod(y.shape[1], x.shape[1])
        x = y if rest or ratio > 2 or not layer["resnet"] else y + jnp.tile(x, (1, ratio))
    return x


def _shares(options: Tree) -> tuple[int, int]:
    """How many numbers of an atom and of an edge enter angles: the first of each."""
    rate = options["a_compress_rate"]
    if not rate:
        return options["n_dim"], options["e_dim"]
    if not options["a_compress_use_split"]:
        raise ValueError(
            "the model compresses features for angles by a layer; only a_compress_use_split=True "
            "can be read."
        )
    edges = options["a_compress_e_rate"] * options["a_dim"] // (2 * rate)
    return options["a_dim"] // rate, edges


def _activation(part: Tree) -> str:
    name = part["activation_function"].lower()
    activate(name, jnp.zeros(()))  # refuses an unknown one
    return name


def _check_scales(scales: Tree, spread: float) -> None:
    if np.any(scales["davg"]) or np.any(scales["dstd"] != spread):
        raise ValueError(
            f"the model scales its inputs by statistics; only a constant {spread} can be read."
        )
