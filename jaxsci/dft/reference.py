"""Reference energies from wave functions: PySCF on the host, in several processes, cached."""

import contextlib
import hashlib
import json
import math
import os
import pathlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from .integrals import build_mole, import_pyscf, machine_memory
from .processes import Failure, in_processes

METHODS = ("hf", "ccsd", "ccsd(t)", "fci")


def reference_energies(
    molecules: Sequence[Sequence[tuple[str, Sequence[float]]]],
    basis: str,
    *,
    method: str = "ccsd(t)",
    charges: Sequence[int] | None = None,
    spins: Sequence[int] | None = None,
    unit: str = "angstrom",
    cache: str | os.PathLike | None = None,
    workers: int = 1,
    progress: bool = True,
) -> Float[np.ndarray, " molecules"]:
    """Total energies of molecules by a method of wave functions.

    Unrestricted Hartree-Fock is underneath for open shells, restricted for closed ones; all
    electrons are correlated.

    **Arguments:**

    - `molecules`: for each a list of (symbol, position).
    - `basis`: as in `molecule`.
    - `method`: "hf", "ccsd", "ccsd(t)" or "fci" (two electrons, or a handful in a small basis).
    - `charges`, `spins`: one a molecule; zero by default.
    - `unit`: of the positions.
    - `cache`: a folder that keeps every energy, under a hash of all that determines it; what is
        there is not computed again, so an interrupted run goes on where it was.
    - `workers`: host processes, of one thread each.
    - `progress`: show a progress bar once it takes more than two seconds.

    **Returns:** energies in Hartree, NaN where Hartree-Fock or coupled cluster did not converge,
    and with a warning where the molecule's process died twice, for lack of memory say.

    **Raises:** `ValueError` for an unknown method, lists of different lengths, or an impossible
    molecule.

    ```python
    energies = jsci.dft.reference_energies([h2, water], "def2-svp", cache="references")
    data = jsci.dft.training_batch([molecule(a, "def2-svp") for a in (h2, water)], energies)
    ```
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; allowed are {', '.join(map(repr, METHODS))}.")
    import_pyscf()
    n = len(molecules)
    charges, spins = charges or [0] * n, spins or [0] * n
    if not len(charges) == len(spins) == n:
        raise ValueError(f"{n} molecules, {len(charges)} charges and {len(spins)} spins.")
    jobs = [
        {"atoms": _plain(a), "basis": basis, "charge": q, "spin": s, "unit": unit, "method": method}
        for a, q, s in zip(molecules, charges, spins, strict=True)
    ]
    for job in jobs:  # impossible molecules are named here, not in another process
        _mole(job)
    folder = None if cache is None else pathlib.Path(cache)
    known = [_read(folder, job) for job in jobs]
    missing = [i for i, e in enumerate(known) if e is None]
    bar = tqdm(total=n, initial=n - len(missing), disable=not progress, delay=2.0, unit="molecule")
    with bar:
        for i, energy in _compute(jobs, missing, workers):
            if isinstance(energy, Failure):
                warnings.warn(f"molecule {i} has no energy: {energy.reason}", stacklevel=2)
                energy = math.nan
            known[i] = energy
            _write(folder, jobs[i], energy)
            bar.update()
    return np.array(known, float)


def _compute(jobs, missing, workers):
    """Pairs (index, energy) as they are done."""
    if workers == 1 or len(missing) < 2:
        yield from ((i, _energy(jobs[i])) for i in missing)
        return
    for i, energy in in_processes(_energy, jobs, missing, workers):
        if isinstance(energy, Failure) and energy.error is not None:
            raise energy.error
        yield i, energy


def _energy(job: dict[str, Any]) -> float:
    from pyscf import scf

    mol = _mole(job)
    # In a process whose arrays exceed PySCF's own limit it would work on disk, where the path for
    # a spin without empty orbitals fails.
    mol.max_memory = machine_memory() / 1e6
    field = (scf.UHF if mol.spin else scf.RHF)(mol)
    field.conv_tol = 1e-11
    # Left to the garbage collector, PySCF's temporary file warns that it is open.
    with contextlib.closing(field._chkfile):
        return _of_field(field.run(), mol, job["method"])


def _of_field(field, mol, method) -> float:
    from pyscf import cc, fci

    if not field.converged:
        return float("nan")
    # One electron, or no empty orbital, has no correlation.
    if method == "hf" or mol.nelectron == 1 or min(mol.nelec) == mol.nao:
        return float(field.e_tot)
    if method == "fci":
        return float(fci.FCI(field).kernel()[0])
    coupled = cc.CCSD(field).run(conv_tol=1e-9)
    if not coupled.converged:
        return float("nan")
    # Without three electrons, or with every orbital of a spin filled as in the atoms of a minimal
    # basis, there are no triples, and PySCF divides by zero.
    if method == "ccsd" or mol.nelectron < 3 or max(mol.nelec) == mol.nao:
        return float(coupled.e_tot)
    return float(coupled.e_tot + coupled.ccsd_t())


def _mole(job):
    return build_mole(job["atoms"], job["basis"], job["charge"], job["spin"], job["unit"])


def _plain(atoms):
    return [(str(symbol), [float(x) for x in position]) for symbol, position in atoms]


def _file(folder, job):
    content = json.dumps(job, sort_keys=True).encode()
    return folder / f"{hashlib.sha256(content).hexdigest()}.json"


def _read(folder, job) -> float | None:
    if folder is None or not _file(folder, job).exists():
        return None
    return json.loads(_file(folder, job).read_text())["energy"]


def _write(folder, job, energy):
    # What failed is tried again next time.
    if folder is None or not np.isfinite(energy):
        return
    folder.mkdir(parents=True, exist_ok=True)
    partial = _file(folder, job).with_suffix(f".partial-{os.getpid()}")
    partial.write_text(json.dumps({"energy": energy, **job}))
    os.replace(partial, _file(folder, job))
