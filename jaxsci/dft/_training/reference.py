"""Reference energies and densities by wave-function methods: PySCF on the host, cached."""

import hashlib
import json
import math
import os
import pathlib
import warnings
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from ...core import Failure, attempt, host_memory, in_processes, load, save
from .._basis.integrals import build_mole, import_pyscf
from .._basis.soundness import warn_of_excited_atom
from .._system.inputs import geometry_of
from .._system.molecule import Unit, given_or_found
from .._system.pyscf_checkpoints import without_checkpoint

EnergyMethod = Literal["hf", "ccsd", "ccsd(t)", "fci"]
DensityMethod = Literal["hf", "ccsd", "fci"]


def reference_energies(
    molecules: Sequence[Any],
    basis: str,
    *,
    method: EnergyMethod = "ccsd(t)",
    charges: Sequence[int] | None = None,
    spins: Sequence[int] | None = None,
    unit: Unit = "angstrom",
    cache: str | os.PathLike | None = None,
    workers: int = 1,
    timeout: float | None = None,
    progress: bool = True,
) -> Float[np.ndarray, " molecules"]:
    """Total energies of molecules by a wave-function method.

    The reference determinant is unrestricted Hartree-Fock for open shells, restricted for closed
    ones; all electrons are correlated.

    **Arguments:**

    - `molecules`: each as `molecule` takes it: a text, an .xyz file, or a list of (symbol,
        position).
    - `basis`: as in `molecule`.
    - `method`: "hf", "ccsd", "ccsd(t)" or "fci" (two electrons, or a few in a small basis).
    - `charges`: of each molecule in units of e; by default what a file says, else zero.
    - `spins`: unpaired electrons of each molecule; by default what a file says, else zero, with a
        warning for an atom that has unpaired electrons in its ground state.
    - `unit`: of the positions, "angstrom" or "bohr".
    - `cache`: a folder that keeps every energy under a hash of all that determines it, the numbers
        of the basis set included, or `None`. Energies found there are not computed again, so an
        interrupted run resumes. A file that is damaged, or holds another calculation, is computed
        again with a warning.
    - `workers`: host processes of one thread each.
    - `timeout`: seconds that one molecule may take, the start of its process included; `None` sets
        no limit. With a limit even one worker is a process.
    - `progress`: show a progress bar once it takes more than two seconds.

    **Returns:** energies in Hartree. They are NaN, with a warning that counts and names the
    molecules, where Hartree-Fock or coupled cluster did not converge, the time was up, PySCF
    failed, or the molecule's process died twice (of memory, say).

    **Raises:** `ValueError` for an unknown method, lists of different lengths, or an impossible
    molecule.

    ```python
    frames = jsci.dft.read_xyz_frames("trajectory.xyz")
    energies = jsci.dft.reference_energies(frames, "def2-svp", cache="references")
    molecules = [jsci.dft.molecule(atoms, "def2-svp") for atoms in frames]
    data = jsci.dft.training_batch(molecules, energies)
    ```
    """
    options = {"charges": charges, "spins": spins, "unit": unit}
    jobs = _jobs("energy", get_args(EnergyMethod), method, molecules, basis, options)
    return np.array(_references(jobs, cache, workers, timeout, progress), float)


def reference_densities(
    molecules: Sequence[Any],
    basis: str,
    *,
    method: DensityMethod = "ccsd",
    charges: Sequence[int] | None = None,
    spins: Sequence[int] | None = None,
    unit: Unit = "angstrom",
    cache: str | os.PathLike | None = None,
    workers: int = 1,
    timeout: float | None = None,
    progress: bool = True,
) -> list[Float[np.ndarray, "*spin nao nao"]]:
    """One-particle density matrices of molecules by a wave-function method.

    For coupled cluster this is the response density without orbital relaxation (from the Λ
    equations), for full CI the exact density of the basis.

    **Arguments:**

    - `molecules`: each as `molecule` takes it: a text, an .xyz file, or a list of (symbol,
        position).
    - `basis`: as in `molecule`.
    - `method`: "hf", "ccsd" or "fci".
    - `charges`: of each molecule in units of e; by default what a file says, else zero.
    - `spins`: unpaired electrons of each molecule; by default what a file says, else zero, with a
        warning for an atom that has unpaired electrons in its ground state.
    - `unit`: of the positions, "angstrom" or "bohr".
    - `cache`: a folder that keeps every density, as in `reference_energies`.
    - `workers`: host processes of one thread each.
    - `timeout`: seconds that one molecule may take, or `None`, as in `reference_energies`.
    - `progress`: show a progress bar once it takes more than two seconds.

    **Returns:** for each molecule P in its basis, of both spins together or, for open shells, of
    each; NaN where `reference_energies` gives NaN.

    **Raises:** as `reference_energies`.

    **Notes:** a correlated P is not idempotent. No determinant has it, so `density_error` against
    it does not vanish.

    ```python
    frames = jsci.dft.read_xyz_frames("trajectory.xyz")
    densities = jsci.dft.reference_densities(frames, "def2-svp", cache="references")
    ```
    """
    options = {"charges": charges, "spins": spins, "unit": unit}
    jobs = _jobs("density", get_args(DensityMethod), method, molecules, basis, options)
    return [np.array(p) for p in _references(jobs, cache, workers, timeout, progress)]


def _jobs(quantity, methods, method, molecules, basis, options):
    """Impossible molecules are named here, not in another process."""
    if method not in methods:
        raise ValueError(f"method is {method!r}; allowed are {', '.join(map(repr, methods))}.")
    import_pyscf()
    n, unit = len(molecules), options["unit"]
    charges, spins = (
        [None] * n if given is None else list(given)
        for given in (options["charges"], options["spins"])
    )
    if not len(charges) == len(spins) == n:
        raise ValueError(f"{n} molecules, {len(charges)} charges and {len(spins)} spins.")
    jobs = []
    for given, q, s in zip(molecules, charges, spins, strict=True):
        found = geometry_of(given, unit)
        charge, spin = given_or_found(q, found.charge), given_or_found(s, found.spin)
        atoms = _plain(found.atoms)
        jobs.append(_job(quantity, method, build_mole(atoms, basis, charge, spin, unit)))
        if s is None and found.spin is None:
            warn_of_excited_atom(atoms, charge)
    return jobs


def _job(quantity, method, mol) -> dict[str, Any]:
    """All that determines a result, as JSON holds it.

    The basis set is given by its numbers, as the meaning of a name may change, above all of a file.
    """
    molecule = {
        "atom": mol._atom,  # in Bohr
        "basis": mol._basis,
        "ecp": mol._ecp,
        "charge": mol.charge,
        "spin": mol.spin,
    }
    spins = (2,) if mol.spin else ()
    shape = () if quantity == "energy" else (*spins, mol.nao, mol.nao)
    job = {"quantity": quantity, "method": method, "shape": shape, "molecule": molecule}
    return json.loads(json.dumps(job, default=lambda number: number.tolist()))


def _references(jobs, cache, workers, timeout, progress):
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}.")
    folder = None if cache is None else pathlib.Path(cache)
    known = _cached(folder, jobs)
    missing = [i for i, e in enumerate(known) if e is None]
    bar = tqdm(
        total=len(jobs),
        initial=len(jobs) - len(missing),
        disable=not progress,
        delay=2.0,
        unit="molecule",
    )
    failures: dict[int, str] = {}
    with bar:
        for i, value in _compute(jobs, missing, workers, timeout):
            if not isinstance(value, Failure):
                known[i] = value
                _write(folder, jobs[i], value)
            elif isinstance(value.error, ValueError):
                raise ValueError(f"molecule {i}: {value.error}") from value.error
            else:
                known[i], failures[i] = math.nan, value.reason
            bar.update()
    if failures:
        named = "; ".join(f"molecule {i}: {why}" for i, why in sorted(failures.items()))
        counted = f"{len(failures)} of {len(jobs)} molecules have no reference."
        warnings.warn(f"{counted} {named}", stacklevel=3)
    return known


def _compute(jobs, missing, workers, timeout):
    """Pairs of number and value, or failure, as they are done."""
    if timeout is None and (workers == 1 or len(missing) < 2):
        return ((i, attempt(_value, jobs[i])) for i in missing)
    return in_processes(_value, jobs, missing, workers, timeout)


def _value(job: dict[str, Any]) -> float | np.ndarray:
    from pyscf import scf

    mol = _mole(job)
    # In a process whose arrays exceed PySCF's own limit it would work on disk, where the path for
    # a spin without empty orbitals fails.
    mol.max_memory = host_memory() / 1e6
    field = without_checkpoint((scf.UHF if mol.spin else scf.RHF)(mol))
    field.conv_tol = 1e-11
    of_field = _density_of if job["quantity"] == "density" else _energy_of
    return of_field(field.run(), mol, job["method"])


def _uncorrelated(mol, method) -> bool:
    """One electron, or no empty orbital, has no correlation."""
    return method == "hf" or mol.nelectron == 1 or min(mol.nelec) == mol.nao


def _energy_of(field, mol, method) -> float:
    from pyscf import cc, fci

    if not field.converged:
        return math.nan
    if _uncorrelated(mol, method):
        return float(field.e_tot)
    if method == "fci":
        return float(fci.FCI(field).kernel()[0])
    coupled = cc.CCSD(field).run(conv_tol=1e-9)
    if not coupled.converged:
        return math.nan
    # Without three electrons, or with every orbital of a spin filled as in the atoms of a minimal
    # basis, there are no triples, and PySCF divides by zero.
    if method == "ccsd" or mol.nelectron < 3 or max(mol.nelec) == mol.nao:
        return float(coupled.e_tot)
    return float(coupled.e_tot + coupled.ccsd_t())


def _density_of(field, mol, method) -> np.ndarray:
    from pyscf import cc, fci

    if _uncorrelated(mol, method):
        density = field.make_rdm1()
    elif method == "fci":
        solver = fci.FCI(field)
        vector = solver.kernel()[1]
        spins = np.stack(solver.make_rdm1s(vector, mol.nao, mol.nelec))
        orbitals = np.broadcast_to(field.mo_coeff, (2, mol.nao, mol.nao))
        density = orbitals @ spins @ orbitals.transpose(0, 2, 1)
        density = density if mol.spin else density.sum(axis=0)
    else:
        coupled = cc.CCSD(field).run(conv_tol=1e-9, conv_tol_normt=1e-7)
        coupled.solve_lambda()
        converged = coupled.converged and coupled.converged_lambda
        density = np.array(coupled.make_rdm1(ao_repr=True)) * (1.0 if converged else math.nan)
    return np.asarray(density) * (1.0 if field.converged else math.nan)


def _mole(job):
    from pyscf import gto

    mol = gto.Mole()
    mol.build(dump_input=False, parse_arg=False, verbose=0, unit="bohr", **job["molecule"])
    return mol


def _plain(atoms):
    return [(str(symbol), [float(x) for x in position]) for symbol, position in atoms]


def _cached(folder, jobs) -> list:
    """The value of each job that the folder holds; `None` for the others."""
    known: list[Any] = [None] * len(jobs)
    unusable = []
    for i, job in enumerate(jobs):
        if folder is not None and (path := _file(folder, job)).exists():
            try:
                known[i] = _read(path, job)
            except (ValueError, TypeError, KeyError):
                unusable.append(str(path))
    if unusable:
        warnings.warn(
            f"{len(unusable)} of the files in the cache are damaged or hold another calculation, "
            f"and are computed again: {', '.join(unusable[:3])}{', ...' * (len(unusable) > 3)}",
            stacklevel=4,
        )
    return known


def _digest(job) -> bytes:
    return hashlib.sha256(json.dumps(job, sort_keys=True).encode()).digest()


def _file(folder, job):
    return folder / f"{_digest(job).hex()}.jsci"


def _content(job, value) -> dict[str, np.ndarray]:
    """A file says for which job it is: it may have been renamed or copied."""
    return {"job": np.frombuffer(_digest(job), np.uint8), "value": np.asarray(value, float)}


def _read(path, job) -> np.ndarray:
    like = _content(job, np.zeros(job["shape"]))
    found = load(path, like)
    if not np.array_equal(found["job"], like["job"]):
        raise ValueError(f"{path} holds another calculation.")
    return found["value"]


def _write(folder, job, value):
    # What failed is tried again next time.
    if folder is None or not np.isfinite(value).all():
        return
    folder.mkdir(parents=True, exist_ok=True)
    save(_file(folder, job), _content(job, value), metadata=job)
