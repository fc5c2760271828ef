"""The files of a published ANI potential, in the format of NeuroChem."""

import bz2
import re
from pathlib import Path
from typing import Any

import numpy as np

CONSTANTS = ("Rcr", "Rca", "EtaR", "ShfR", "Zeta", "ShfZ", "EtaA", "ShfA")
_CELU, _NONE = "9", "6"  # activations by number


def read_ani(folder: str | Path) -> dict[str, Any]:
    """`constants` by name, `species`, `energies` (Hartree) and the layers of each of `networks`."""
    folder = Path(folder)
    found = sorted(folder.glob("*.params"))
    if len(found) != 1:
        raise ValueError(f"{folder} is no folder of an ANI potential: it has no .params file.")
    entries = dict(line.split("=", 1) for line in _text(found[0]).splitlines() if "=" in line)
    entries = {name.strip(): value.strip(" []\n") for name, value in entries.items()}
    species = [name.strip() for name in entries["Atyp"].split(",")]
    members = sorted(folder.glob("train[0-9]*/networks"))
    if not members:
        raise ValueError(f"{folder} has no networks in train0, train1, ...")
    energies = dict(re.findall(r"(\w+)\s*,\s*\d+\s*=\s*(\S+)", _text(folder / "sae_linfit.dat")))
    return {
        "constants": {
            name: tuple(float(v) for v in entries[name].split(",")) for name in CONSTANTS
        },
        "species": species,
        "energies": [float(energies[name]) for name in species],
        "networks": [[_network(m / f"ANN-{name}.nnf") for name in species] for m in members],
    }


def _network(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """`(weight, bias)` of each layer, (in, out) and (out,), in float32 as stored."""
    data = _bytes(path)
    text = bz2.decompress(data[data.index(b"=") + 2 :]).decode(errors="replace")
    blocks = re.findall(r"layer\s*\[(.*?)\n\]", text, re.DOTALL)
    layers = []
    for number, block in enumerate(blocks):
        entry = dict(re.findall(r"(\w+)=([^;]*);", block))
        last = number == len(blocks) - 1
        if entry["activation"] != (_NONE if last else _CELU):
            raise ValueError(f"{path} has an activation other than CELU: {entry['activation']}.")
        shape = int(entry["nodes"]), int(entry["blocksize"])
        weight = _numbers(path, entry["weights"], shape[0] * shape[1]).reshape(shape).T
        layers.append((weight, _numbers(path, entry["biases"], shape[0])))
    return layers


def _numbers(path: Path, entry: str, count: int) -> np.ndarray:
    """Those of the file that `FILE:name[count]` names, beside the network's."""
    name = entry.removeprefix("FILE:").partition("[")[0]
    values = np.frombuffer(_bytes(path.with_name(Path(name).name)), "<f4")
    if len(values) != count:
        raise ValueError(f"{path.with_name(name)} has {len(values)} numbers rather than {count}.")
    return values


def _text(path: Path) -> str:
    return _bytes(path).decode()


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"{path.parent} lacks the file {path.name}.")
    data = path.read_bytes()
    if not data:
        raise ValueError(
            f"{path} is empty: torchani has placeholders of some models, but ANI-1x is whole."
        )
    return data
