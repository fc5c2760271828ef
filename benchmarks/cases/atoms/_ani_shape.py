"""A network of the shape of ANI-1x with random weights, from files as `jsci.atoms.ani` reads."""

import bz2
import itertools
import tempfile
from pathlib import Path

import numpy as np

import jaxsci as jsci

# Of ANI-1x: the symmetry functions, and the hidden layers of each element.
_CONSTANTS = {
    "Rcr": [5.2], "Rca": [3.5], "EtaR": [16.0], "ShfR": 0.9 + 0.26875 * np.arange(16),
    "Zeta": [32.0], "ShfZ": np.pi * (2 * np.arange(8) + 1) / 16,
    "EtaA": [8.0], "ShfA": 0.9 + 0.65 * np.arange(4),
}  # fmt: skip
_HIDDEN = {"H": (160, 128, 96), "C": (144, 112, 96), "N": (128, 112, 96), "O": (128, 112, 96)}
_FEATURES = 384


def ani_shaped(seed: int, dtype):
    """`(energy, params)` of one network per element, which know nothing yet."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [f"{key} = [{', '.join(map(str, v))}]" for key, v in _CONSTANTS.items()]
        lines.append(f"Atyp = [{','.join(_HIDDEN)}]")
        (folder / "shape.params").write_text("\n".join(lines))
        energies = "".join(f"{symbol},{k}=0.0\n" for k, symbol in enumerate(_HIDDEN))
        (folder / "sae_linfit.dat").write_text(energies)
        networks = folder / "train0" / "networks"
        networks.mkdir(parents=True)
        for symbol, hidden in _HIDDEN.items():
            _write(networks, symbol, (_FEATURES, *hidden, 1), rng)
        return jsci.atoms.ani(folder, dtype=dtype)


def _write(folder, symbol, widths, rng):
    """Layers with CELU, all but the last, drawn as Kaiming and others draw those of a ReLU."""
    text = f"inputsize={widths[0]};\natom_net {symbol} $\n"
    for k, (m, n) in enumerate(itertools.pairwise(widths)):
        name, last = f"{symbol}{k}", k == len(widths) - 2
        text += (
            f"layer [\nnodes={n};\nactivation={6 if last else 9};\nblocksize={m};\n"
            f"weights=FILE:{name}.w[{m * n}];\nbiases=FILE:{name}.b[{n}];\n]\n"
        )
        scale = ((1 if last else 2) / m) ** 0.5
        (scale * rng.standard_normal((n, m))).astype("<f4").tofile(folder / f"{name}.w")
        np.zeros(n, "<f4").tofile(folder / f"{name}.b")
    (folder / f"ANN-{symbol}.nnf").write_bytes(b"10=\n" + bz2.compress((text + "\n$\n").encode()))
