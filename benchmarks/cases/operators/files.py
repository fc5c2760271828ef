"""Files of 2 GiB in the layouts of The Well and PDEBench: batches beside h5py's own reads, and the
memory of one pass.

The files are written to a temporary folder, which goes with the case. They stay in the system's
cache of files, so what is timed is the reading, not the disk.
"""

import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.runner.case import Baseline, Case, Run
from benchmarks.runner.measure.memory import MIB, peak_resident, restart_peak
from benchmarks.runner.measure.timing import interleave
from jaxsci.operators import data

TRAJECTORIES = {"smoke": 2, "quick": 8, "full": 64}
TIMES, GRID, CHANNELS = 32, (256, 256), 4  # 32 MiB a trajectory
BATCH, STEPS = 8, 1
WELL = {"t0_fields/density": 1, "t0_fields/pressure": 1, "t1_fields/velocity": 2}
PDEBENCH = {"density": 1, "pressure": 1, "Vx": 1, "Vy": 1}


def fields(key, trajectory):
    """Noise `(times, x, y, channels)`; its first number says which state of the file it is."""
    key = jax.random.fold_in(key, trajectory)
    u = np.array(jax.random.normal(key, (TIMES, *GRID, CHANNELS), np.float32))
    u[:, 0, 0, 0] = trajectory * TIMES + np.arange(TIMES)
    return u


def write_fields(file, arrays, count):
    """The arrays of these names and numbers of components, one trajectory after the other."""
    for name, components in arrays.items():
        shape = (count, TIMES, *GRID, components)
        file.create_dataset(name, shape if components > 1 else shape[:-1], np.float32)
    for i in range(count):
        u, place = fields(jax.random.key(0), i), 0
        for name, components in arrays.items():
            part = u[..., place : place + components]
            file[name][i] = part if components > 1 else part[..., 0]
            place += components


def write_well(file, count):
    write_fields(file, WELL, count)
    file.attrs.update(n_trajectories=count, n_spatial_dims=2, grid_type="cartesian")
    dimensions = file.create_group("dimensions")
    dimensions.attrs["spatial_dims"] = ["x", "y"]
    dimensions["time"] = np.arange(TIMES, dtype=np.float32)
    for name, n in zip("xy", GRID, strict=True):
        dimensions[name] = np.arange(n, dtype=np.float32) / n
    for name in WELL:
        file[name].attrs.update(
            sample_varying=True, time_varying=True, dim_varying=np.ones(len(GRID), bool)
        )


def write_pdebench(file, count):
    write_fields(file, PDEBENCH, count)
    file["t-coordinate"] = np.arange(TIMES, dtype=np.float32)
    for name, n in zip("xy", GRID, strict=True):
        file[f"{name}-coordinate"] = (np.arange(n, dtype=np.float32) + 0.5) / n


LAYOUTS = {"well": (write_well, WELL), "pdebench": (write_pdebench, PDEBENCH)}


def reads(datasets, windows):
    """The slices of the windows as h5py gives them, one array per field and window."""
    return [d[i, t : t + STEPS + 1] for i, t in windows for d in datasets]


def stacked(datasets, windows):
    """The same reads as one array `(windows, times, x, y, channels)` on the device."""
    out = np.empty((len(windows), STEPS + 1, *GRID, CHANNELS), np.float32)
    for row, (i, t) in enumerate(windows):
        place = 0
        for d in datasets:
            read = d[i, t : t + STEPS + 1].reshape(STEPS + 1, *GRID, -1)
            out[row, ..., place : place + read.shape[-1]] = read
            place += read.shape[-1]
    return jnp.asarray(out)


def one_pass(found):
    """Seconds of the normaliser's pass, and by how much it raises the memory of the process."""
    restart_peak()
    before, start = peak_resident(), time.perf_counter()
    found.normaliser()
    return time.perf_counter() - start, peak_resident() - before


def files(layout, size):
    import h5py

    write, names = LAYOUTS[layout]
    folder, count = TemporaryDirectory(), TRAJECTORIES[size]
    path = Path(folder.name) / f"{layout}.hdf5"
    with h5py.File(path, "w") as file:
        write(file, count)
    gib = path.stat().st_size / 2**30
    found, file = data.read(path), h5py.File(path, "r")
    datasets = [file[name] for name in names]

    def batch(key, _keeps=folder):  # the file exists as long as this function does
        return found.batch(key, BATCH, steps=STEPS).fields

    key = jax.random.key(1)
    first = np.asarray(batch(key)[:, 0, 0, 0, 0]).astype(int).tolist()
    windows = [divmod(number, TIMES) for number in first]
    expected = np.asarray(stacked(datasets, windows))

    def figures(_):
        seconds, growth = one_pass(found)
        bare = interleave(
            lambda: jax.block_until_ready(compiled(key)), lambda: reads(datasets, windows),
            pairs=20, seconds=10.0,
        )  # fmt: skip
        return {
            "file, GiB": round(gib, 2),
            "one pass, GiB/s": round(gib / seconds, 2),
            "memory of the pass, MiB": round(growth / MIB),
            "bare reads over ours": round(bare.ratio.median, 2),
        }

    compiled = jax.jit(batch)
    return Run(
        batch,
        (key,),
        error=lambda out: float(np.max(np.abs(np.asarray(out) - expected))),
        baseline=Baseline("h5py, stacked", partial(stacked, datasets, windows), (), host=True),
        note=f"{count} trajectories of {TIMES} states of 256x256 points, 4 channels; {BATCH} "
        f"windows of {STEPS + 1} states",
        figures=figures,
    )


CASES = [
    Case(f"operators.files-{layout}", "operators", f"Batches of a file as of {name}",
         partial(files, layout), "full", reference="h5py", tolerance=1e-9,
         error_name="largest difference")
    for layout, name in (("well", "The Well"), ("pdebench", "PDEBench"))
]  # fmt: skip
