"""`python -m benchmarks.faults --kills 1000`: kill what jaxsci does, and count what is lost.

Each subject is a piece of work that is killed at random moments, interrupted by Ctrl-C, or robbed
of a worker, started again where it says that it goes on, and compared at the end with the same work
left alone. A fault is whatever then differs, cannot be read, was left behind, or went on running.
"""

import argparse
import importlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

# XLA's processes write about the features of the processor each time a kept program is loaded.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import jax.numpy as jnp

import jaxsci as jsci

# Processes are forked from one that has imported jaxsci and computed nothing yet.
_CONTEXT = multiprocessing.get_context("forkserver")
_H2 = [[("H", (0, 0, 0)), ("H", (0, 0, r))] for r in np.linspace(0.5, 2.0, 12)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="of all subjects together")
    parser.add_argument("--only", action="append", help="those with this in their name")
    parser.add_argument("--seconds", type=float, default=np.inf, help="after which it ends")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    _CONTEXT.set_forkserver_preload(["jaxsci", "jaxsci.dft", "jaxsci.atoms", "jaxsci.operators"])
    end, faults, kills = time.monotonic() + given.seconds, 0, 0
    subjects, checks = _named(SUBJECTS, given.only), _named(CHECKS, given.only)
    if not subjects and not checks:
        parser.error(f"--only: there are {'; '.join([*SUBJECTS, *CHECKS])}.")
    for number, (name, subject) in enumerate(subjects.items()):
        rng = np.random.default_rng([given.seed, number])
        left = (end - time.monotonic()) / (len(subjects) - number)
        with tempfile.TemporaryDirectory() as folder:
            done, found = subject(
                Path(folder), given.kills // len(subjects), rng, time.monotonic() + left
            )
        kills += done
        faults += len(found)
        _report(f"{name}, {done} kills", found)
    for name, check in checks.items():
        with tempfile.TemporaryDirectory() as folder:
            found = check(Path(folder))
        faults += len(found)
        _report(name, found)
    print(f"{kills} kills, {faults} faults")
    return min(faults, 1)


def _named(table: dict[str, Callable], parts: list[str] | None) -> dict[str, Callable]:
    if parts is None:
        return table
    return {name: work for name, work in table.items() if any(part in name for part in parts)}


def _report(name: str, found: list[str]) -> None:
    print(f"{name:60} {len(found)} faults", *found[:3], sep="\n    ", flush=True)


def _quiet(work: Callable, *arguments) -> None:
    """In a process of its own, whose own processes carry the name of its folder.

    They are a group, as a terminal makes one of what it starts.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.setpgid(0, 0)
    os.environ["JSCI_FAULTS"] = str(arguments[0])
    jax.config.update("jax_enable_x64", True)
    jsci.compilation_cache(Path(tempfile.gettempdir()) / "jaxsci-faults-programs")
    warnings.simplefilter("ignore")
    work(*arguments)


def _started(work: Callable, *arguments):
    process = _CONTEXT.Process(target=_quiet, args=(work, *arguments), daemon=True)
    process.start()
    return process


def _kill(process, folder: Path) -> bool:
    return _sent(os.kill, process, process.pid, signal.SIGKILL)


def _interrupt(process, folder: Path) -> bool:
    """Ctrl-C in a terminal goes to all processes of the group."""
    return _sent(os.killpg, process, process.pid, signal.SIGINT)


def _kill_a_worker(process, folder: Path) -> bool:
    while process.is_alive() and not (workers := _processes_of(folder)):
        time.sleep(0.01)
    return process.is_alive() and _sent(os.kill, process, workers[0], signal.SIGKILL)


def _sent(send: Callable, process, pid: int, with_signal: int) -> bool:
    """Whether somebody received the signal before the process ended."""
    assert pid  # or the signal would go to this process and its group
    while process.is_alive():
        try:
            send(pid, with_signal)
            return True
        except ProcessLookupError:
            time.sleep(0.001)  # it has no group yet, or has just ended
    return False


def _struck(
    work: Callable,
    check: Callable[[Path], str | None],
    strike: Callable = _kill,
    parts_stay: bool = False,
) -> Callable:
    """A subject: work that is struck until it has been often enough, and checked each time.

    With `parts_stay`, parts of files may be left: nothing says that they are not being written by
    another machine.
    """

    def subject(folder: Path, kills: int, rng, until: float) -> tuple[int, list[str]]:
        alone, often = folder / "alone", folder / "often"
        alone.mkdir()
        often.mkdir()
        start = time.monotonic()
        process = _started(work, alone)
        process.join()
        length, done, faults = time.monotonic() - start, 0, []
        while done < kills and time.monotonic() < until:
            start = time.monotonic()
            process = _started(work, often)
            process.join(rng.uniform(0.0, length))
            if struck := process.is_alive() and strike(process, often):
                done += 1
            else:  # the first run compiled, and took longer
                length = min(length, time.monotonic() - start)
            process.join(60.0)
            ends = not struck or strike is _kill_a_worker  # or else it was told to stop
            if process.is_alive():
                process.kill()
                faults.append("it hung after the signal")
            elif ends and process.exitcode:
                faults.append(f"it failed by itself, with {process.exitcode}")
            elif fault := check(often):
                faults.append(fault)
            elif (often / "result.npy").exists():
                faults += [] if _same(alone, often) else ["the end is another than if left alone"]
                often = folder / f"often-{done}"  # begin anew
                often.mkdir(exist_ok=True)
        process = _started(work, often)
        process.join()
        if process.exitcode or not _same(alone, often):
            faults.append(f"the last run ended with {process.exitcode}, or another result")
        left = [p.name for p in often.rglob("*.partial-*")]
        faults += [f"left behind: {left}"] if left and not parts_stay else []
        return done, faults

    return subject


def _same(a: Path, b: Path) -> bool:
    """Whether two runs ended with the same result, bit by bit."""
    return (a / "result.npy").read_bytes() == (b / "result.npy").read_bytes()


def _end(folder: Path, *values) -> None:
    partial = folder / "result.npy.new"
    with open(partial, "wb") as file:
        np.save(file, np.concatenate([np.ravel(np.asarray(v, float)) for v in values]))
    os.replace(partial, folder / "result.npy")


# Work. Each goes on from what it finds in its folder.


def _train(folder: Path) -> None:
    found = _fitted(folder)
    if found.status == "completed":
        _end(folder, *jax.tree.leaves(found.params), found.history["loss"])
    else:
        sys.exit(1)


def _fitted(folder: Path) -> jsci.Fit:
    key = jax.random.key(0)
    f, params = jsci.pure(jsci.nn.MLP(1, "scalar", width=8, depth=1, key=key))
    x = np.linspace(-1, 1, 40)[:, None]
    loss = jsci.objective({"data": lambda p, s: f(p, s[0]) - s[1]})
    samples = {"data": (x, np.sin(3 * x[:, 0]))}
    return jsci.fit(
        loss, params, samples, jsci.levenberg_marquardt(), steps=60, report_every=1,
        checkpoint=folder / "run.jsci", progress=False,
    )  # fmt: skip


def _write(folder: Path) -> None:
    path = folder / "model.jsci"
    start = int(jsci.load(path, like=np.zeros(20_000))[0]) if path.exists() else 0
    for number in range(start, 60):
        jsci.save(path, np.full(20_000, number + 1.0))
    _end(folder, jsci.load(path, like=np.zeros(20_000)))


def _simulate(folder: Path) -> None:
    energy, params = jsci.atoms.lennard_jones(epsilon=0.0104, sigma=3.4, cutoff=7.5, onset=6.0)
    half = 2.65
    corners = half * np.array([[0.0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
    atoms = jsci.atoms.Atoms(corners, ["Ar"] * 4, 2 * half * np.eye(3))
    nearby = jsci.atoms.NeighbourList(atoms, 7.5, room=2.0)
    f = jsci.atoms.properties(energy)
    dynamics = jsci.atoms.langevin(f, nearby, dt=2.0, temperature=40.0)
    state = dynamics.init(params, atoms, np.zeros((4, 3)), jax.random.key(1))
    state = jsci.atoms.simulate(
        dynamics, params, state, 120, every=2, progress=False,
        trajectory=folder / "run.xyz", checkpoint=folder / "run.jsci",
    )  # fmt: skip
    frames = jsci.atoms.read(folder / "run.xyz")
    _end(folder, state.atoms.positions, [frame.info["time"] for frame in frames],
         [frame.atoms.positions for frame in frames])  # fmt: skip


def _references(folder: Path) -> None:
    energies = jsci.dft.reference_energies(
        _H2, "sto-3g", method="fci", cache=folder / "cache", progress=False
    )
    _end(folder, energies)


def _molecules(folder: Path) -> None:
    built = jsci.dft.molecules(_H2[:4], "sto-3g", grid=0, workers=2, progress=False)
    _end(folder, *[m.core_hamiltonian for m in built])


def _read(folder: Path) -> None:
    waves, frames = folder.parent / "waves.npz", folder.parent / "frames.xyz"
    if not waves.exists():
        new = folder / "new.npz"
        np.savez(new, u=np.random.default_rng(0).normal(size=(20, 10, 64)))
        os.replace(new, waves)
    if not frames.exists():
        atoms = [jsci.atoms.Atoms(np.eye(3) * r, ["O", "H", "H"]) for r in range(1, 30)]
        jsci.atoms.write(folder / "new.xyz", atoms)
        os.replace(folder / "new.xyz", frames)
    data = jsci.operators.data.read(waves, fields=["u"], axes="ntx", time_step=0.1, lengths=1.0)
    scale = data.normaliser()
    fields = [scale.forward(jnp.asarray(data[i])) for i in range(20)]
    structures = [frame.atoms.positions for frame in jsci.atoms.read(frames)]
    molecules = [position for atoms in jsci.dft.read_xyz_frames(frames) for _, position in atoms]
    _end(folder, *fields, *structures, *molecules)


# What must hold after each kill.


def _whole(name: str, like) -> Callable[[Path], str | None]:
    def check(folder: Path) -> str | None:
        for path in (folder / name, folder / f"{name}.previous"):
            if path.exists():
                try:
                    jsci.core.read_metadata(path)
                    value = None if like is None else jsci.load(path, like=like)
                except Exception as problem:
                    return f"{path.name} cannot be read: {problem}"
                if value is not None and len(np.unique(value)) > 1:
                    return f"{path.name} holds parts of two writes"
        return None

    return check


def _nobody_left(folder: Path) -> str | None:
    """No worker outlives its caller for long."""
    end = time.monotonic() + 10.0
    while running := _processes_of(folder):
        if time.monotonic() > end:
            return f"still running: {running}"
        time.sleep(0.05)
    return None


def _processes_of(folder: Path) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"JSCI_FAULTS={folder}\0" in path.joinpath("environ").read_text():
                found.append(int(path.name))
        except OSError:
            continue  # it has ended, or is of another user
    return found


def _fine(folder: Path) -> str | None:
    return None


_FIT = _whole("run.jsci", None)
_MODEL = _whole("model.jsci", np.zeros(20_000))
SUBJECTS: dict[str, Callable] = {
    "fit, a checkpoint at each step": _struck(_train, _FIT),
    "fit, Ctrl-C": _struck(_train, _FIT, _interrupt),
    "save, over and over": _struck(_write, _MODEL, parts_stay=True),
    "save, Ctrl-C": _struck(_write, _MODEL, _interrupt),
    "atoms.simulate, trajectory and checkpoint": _struck(_simulate, _FIT, parts_stay=True),
    "atoms.simulate, Ctrl-C": _struck(_simulate, _FIT, _interrupt),
    "dft.reference_energies, with a cache": _struck(_references, _fine, parts_stay=True),
    "dft.reference_energies, Ctrl-C": _struck(_references, _fine, _interrupt),
    "dft.molecules, two processes": _struck(_molecules, _nobody_left),
    "dft.molecules, two processes, Ctrl-C": _struck(_molecules, _nobody_left, _interrupt),
    "dft.molecules, one of two processes": _struck(_molecules, _nobody_left, _kill_a_worker),
    "readers of data, structures and molecules": _struck(_read, _fine),
}


# Without kills.


def _two_writers(folder: Path) -> list[str]:
    """Readers see whole files while two processes write one path."""
    writers = [_started(_write, folder) for _ in range(2)]
    faults = []
    while any(w.is_alive() for w in writers):
        faults += [fault] if (fault := _MODEL(folder)) else []
    return faults + [f"a writer ended with {w.exitcode}" for w in writers if w.exitcode]


def _full_disk(folder: Path) -> list[str]:
    """No file may grow beyond a limit: the old one stays, and no part of a new one."""
    jsci.save(folder / "model.jsci", np.full(20_000, 1.0))
    faults = []
    for work, limit in ((_save_refuses, 65_536), (_fit_goes_on, 500)):
        process = _started(_limited, folder, work, limit)
        process.join()
        if process.exitcode:
            faults.append(f"{work.__name__} ended with {process.exitcode}")
    if not np.all(jsci.load(folder / "model.jsci", like=np.zeros(20_000)) == 1.0):
        faults.append("the old file is another")
    left = [p.name for p in folder.iterdir() if p.name != "model.jsci"]
    return faults + ([f"left behind: {left}"] if left else [])


def _limited(folder: Path, work: Callable, limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    work(folder)


def _save_refuses(folder: Path) -> None:
    try:
        jsci.save(folder / "model.jsci", np.full(20_000, 2.0))
    except OSError:
        return
    sys.exit(1)


def _fit_goes_on(folder: Path) -> None:
    """Without checkpoints, of which it warns."""
    if _fitted(folder).status != "completed":
        sys.exit(1)


def _bad_workers(folder: Path) -> list[str]:
    """Of tasks that die, hang or print, each has an end of its own, and no other is lost."""
    process = _started(_misbehave_in_turn, folder)
    process.join(300.0)
    if process.is_alive() or process.exitcode:
        process.kill()
        return [f"the caller hung, or ended with {process.exitcode}"]
    left = _nobody_left(folder)
    return (folder / "faults").read_text().splitlines() + ([left] if left else [])


def _misbehave_in_turn(folder: Path) -> None:
    tasks = ["work", "print", "die", "hang"] * 2
    expected = {"work": "4.0", "print": "5.0", "die": "exit code -9", "hang": "not done after 30"}
    function = importlib.import_module("benchmarks.faults").misbehave  # not of __mp_main__
    ends = dict(jsci.core.in_processes(function, tasks, range(8), workers=2, timeout=30.0))
    faults = [f"{len(ends)} of 8 tasks have an end"] if len(ends) < 8 else []
    faults += [
        f"{tasks[i]}: {end}" for i, end in ends.items() if expected[tasks[i]] not in f"{end}"
    ]
    (folder / "faults").write_text("\n".join(faults))


def misbehave(task: str) -> float:
    """A task of a worker: a root, after what nobody wishes for."""
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "hang":
        time.sleep(600)
    if task == "print":
        print("noise", flush=True)
        os.write(1, b"noise of a library in C\n" * 10_000)
        return 5.0
    return float(np.sqrt(16.0))


CHECKS = {
    "two writers of one file": _two_writers,
    "a full disk": _full_disk,
    "workers that die, hang and print": _bad_workers,
}

if __name__ == "__main__":
    sys.exit(main())
