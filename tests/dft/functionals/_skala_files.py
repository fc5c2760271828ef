"""Files of the functional Skala as torch names their arrays."""

import jax
import numpy as np

from jaxsci.dft import skala


def state(params):
    """Parameters by the names of the published file."""
    found = {}

    def dense(name, parameters):
        found[f"{name}.weight"], found[f"{name}.bias"] = parameters[0].T, parameters[1]

    for i, name in enumerate(("0", "2")):
        dense(f"input_model.{name}", params["encoder"][i])
        dense(f"output_model.{name}", params["output"][i])
    for i, layer in enumerate(params["layers"]):
        stem = f"non_local_layers.{i}."
        dense(f"{stem}pre_down_layer.0", layer["send"])
        dense(f"{stem}post_up_layer.0", layer["read"])
        dense(f"{stem}concat_layer.0", layer["join"])
        found[f"{stem}tp_down._batched_W"] = layer["down"]
        for l, weight in enumerate(layer["up"]):  # as older files have them
            found[f"{stem}tp_up.weight_{l}_{l}_0"] = weight[:, None]
        for l, weight in enumerate(layer["mix"]):
            found[f"{stem}coarse_linear.weight_{l}_{l}"] = weight
        for l, (one, two, three) in enumerate(layer["products"]):
            contraction = f"{stem}symmetric_product.contractions.{l}."
            found[f"{contraction}weights.1"] = one
            found[f"{contraction}weights.0"] = two
            found[f"{contraction}weights_max"] = three
    return {name: np.asarray(x) for name, x in found.items()}


def tiny(path):
    """A file of the smallest network, with random numbers."""
    params = skala(key=jax.random.key(0), width=4, channels=2, lmax=0, layers=1)[1]
    np.savez(path, **state(params))
