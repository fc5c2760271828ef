"""Files of a small ANI potential, in the format of those that are published."""

import bz2

import numpy as np


def tiny(folder, *, activation=9, biases=2):
    """Networks of one hidden layer of two units, for hydrogen alone."""
    rng = np.random.default_rng(0)
    layers = [(2, 2, activation, "l1"), (1, 2, 6, "l2")]
    text = "inputsize=2;\natom_net H $\n" + "".join(
        f"layer [\nnodes={n};\nactivation={a};\nblocksize={m};\n"
        f"weights=FILE:ANN-H.nnf-{k}.wparam[{n * m}];\nbiases=FILE:ANN-H.nnf-{k}.bparam[{n}];\n]\n"
        for n, m, a, k in layers
    )
    place = folder / "train0" / "networks"
    place.mkdir(parents=True, exist_ok=True)
    (place / "ANN-H.nnf").write_bytes(b"10=\n" + bz2.compress((text + "\n$\n").encode()))
    for n, m, _, k in layers:
        rng.normal(size=(n, m)).astype("<f4").tofile(place / f"ANN-H.nnf-{k}.wparam")
        rng.normal(size=min(n, biases)).astype("<f4").tofile(place / f"ANN-H.nnf-{k}.bparam")
    (folder / "h.params").write_text(
        "Rcr = 5.0\nRca = 3.0\nEtaR = [16.0]\nShfR = [0.9]\nZeta = [2.0]\nShfZ = [0.4]\n"
        "EtaA = [8.0]\nShfA = [0.9]\nAtyp = [H]\n"
    )
    (folder / "sae_linfit.dat").write_text("H,0=-0.5\n")
    return folder
