"""Files in the layouts of The Well, PDEBench, NetCDF, zarr, MATLAB and NumPy, written by hand."""

import sys

import numpy as np
import pytest

from jaxsci.operators import data

h5py = pytest.importorskip("h5py")
io = pytest.importorskip("scipy.io")
RNG = np.random.default_rng(0)
U = RNG.standard_normal((3, 4, 6, 5)).astype(np.float32)  # trajectories, times, x, y
X, Y = np.arange(6) / 3, np.arange(5) / 5


def write_well(path):
    """As docs/data_format.md of The Well describes it."""
    vector = RNG.standard_normal((3, 4, 6, 5, 2)).astype(np.float32)
    tensor = RNG.standard_normal((3, 4, 6, 5, 2, 2)).astype(np.float32)
    bump = RNG.standard_normal((3, 6)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.attrs.update(dataset_name="made", grid_type="cartesian", n_spatial_dims=2)
        file.attrs.update(n_trajectories=3, simulation_parameters=["viscosity"], viscosity=0.1)
        dims = file.create_group("dimensions")
        dims.attrs["spatial_dims"] = ["x", "y"]
        for name, values in {"time": np.arange(4) * 0.5, "x": X, "y": Y}.items():
            dims[name] = values.astype(np.float32)
            dims[name].attrs.update(sample_varying=False, time_varying=False)
        for name, kind, dim in (("x_sides", "WALL", "x"), ("y_period", "PERIODIC", "y")):
            boundary = file.create_group(f"boundary_conditions/{name}")
            boundary.attrs.update(bc_type=kind, associated_dims=[dim], associated_fields=[])
            boundary["mask"] = np.isin(np.arange(6 if dim == "x" else 5), [0, 5])
        scalars = file.create_group("scalars")
        scalars.attrs["field_names"] = ["viscosity", "strength"]
        for name, values, varies in (("viscosity", [0.1], False), ("strength", [1, 2, 3], True)):
            scalars[name] = np.array(values, np.float32)
            scalars[name].attrs.update(sample_varying=varies, time_varying=False)
        fields = {
            "t0_fields/density": (U, True, [True, True]),
            "t0_fields/bump": (bump, False, [True, False]),
            "t1_fields/velocity": (vector, True, [True, True]),
            "t2_fields/stress": (tensor, True, [True, True]),
        }
        for name, (values, time, varying) in fields.items():
            file[name] = values
            file[name].attrs.update(sample_varying=True, time_varying=time, dim_varying=varying)
    return vector, tensor, bump


def test_the_well(tmp_path):
    vector, tensor, bump = write_well(tmp_path / "made.hdf5")
    found = data.read(tmp_path / "made.hdf5")
    stress = tuple(f"stress_{s}" for s in ("xx", "xy", "yx", "yy"))
    assert found.channels == ("density", "velocity_x", "velocity_y", *stress)
    assert found.constants == ("bump",) and found.parameters == ("strength", "viscosity")
    assert found.boundary == ("wall", "periodic") and found.grid == (6, 5) and len(found) == 3
    np.testing.assert_allclose(found.lengths, (2, 1), rtol=1e-6)
    np.testing.assert_allclose(found.time_step, 0.5)
    flat = tensor.reshape(3, 4, 6, 5, 4)
    np.testing.assert_array_equal(found[1], np.concatenate([U[..., None], vector, flat], -1)[1])
    np.testing.assert_array_equal(found._constants(2)[..., 0], np.repeat(bump[2][:, None], 5, 1))
    np.testing.assert_allclose(found._parameters(2), [3, 0.1], rtol=1e-6)
    assert data.read(tmp_path / "made.hdf5", fields=["velocity"]).channels == (
        "velocity_x",
        "velocity_y",
    )


def write_hdf5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("_coordinate", "-coordinate")] = values
    return path


def test_pdebench_with_one_tensor(tmp_path):
    """One equation in one dimension; the times are the ends of the steps, one more."""
    cells = (np.arange(6) + 0.5) / 6
    path = write_hdf5(
        tmp_path / "1d.hdf5", tensor=U[..., 0], x_coordinate=cells, t_coordinate=np.arange(5) / 10
    )
    found = data.read(path, boundary="periodic")
    assert found.channels == ("tensor",) and found.boundary == ("periodic",)
    np.testing.assert_allclose(found.lengths, [1.0])
    np.testing.assert_allclose(found.time_step, 0.1)
    np.testing.assert_array_equal(found[2], U[2, ..., :1])


def test_pdebench_with_one_array_per_field(tmp_path):
    grid = dict(x_coordinate=X, y_coordinate=Y, t_coordinate=np.arange(4.0))
    path = write_hdf5(tmp_path / "cfd.hdf5", Vx=U, density=U + 1, pressure=U + 2, Vy=U + 3, **grid)
    found = data.read(path)
    assert found.channels == ("density", "pressure", "Vx", "Vy")
    np.testing.assert_array_equal(found[0], np.stack([U[0] + 1, U[0] + 2, U[0], U[0] + 3], -1))


def test_darcy_flow_of_pdebench(tmp_path, key):
    path = write_hdf5(
        tmp_path / "darcy.hdf5", tensor=U[:, :1], nu=U[:, 1], x_coordinate=X, y_coordinate=Y
    )
    found = data.read(path)
    assert (found.channels, found.constants, found.time_step) == (("tensor",), ("nu",), None)
    windows = found.batch(key, 2, steps=0)
    assert windows.fields.shape == (2, 1, 6, 5, 1) and set(windows.inputs) == {"constants"}
    for u, a in zip(windows.fields[:, 0, ..., 0], windows.inputs["constants"], strict=True):
        i = next(i for i in range(3) if np.allclose(U[i, 0], u))
        np.testing.assert_array_equal(a[..., 0], U[i, 1])
    with pytest.raises(ValueError, match="lead time of steps=1 is beyond the data"):
        found.batch(key, 2)


def test_pdebench_with_one_group_per_seed(tmp_path):
    with h5py.File(tmp_path / "swe.h5", "w") as file:
        for seed in (1, 0, 2):
            group = file.create_group(f"{seed:04d}")
            group["data"] = U[seed][..., None]
            group["grid/x"], group["grid/y"], group["grid/t"] = X, Y, np.arange(4) / 100
    found = data.read(tmp_path / "swe.h5")
    assert found.channels == ("data",) and len(found) == 3
    np.testing.assert_allclose(found.time_step, 0.01)
    np.testing.assert_array_equal(found[1], U[1][..., None])


def test_incompressible_flow_of_pdebench(tmp_path):
    velocity = RNG.standard_normal((3, 4, 6, 5, 2)).astype(np.float32)
    path = write_hdf5(
        tmp_path / "ns.h5",
        velocity=velocity, particles=U[..., None], force=velocity[:, 0],
        t=np.tile(np.arange(4) * 0.2, (3, 1)),
    )  # fmt: skip
    found = data.read(path)
    assert found.channels == ("velocity_0", "velocity_1", "particles")
    assert found.constants == ("force_0", "force_1")
    np.testing.assert_array_equal(found[2][..., :2], velocity[2])


LAND = np.zeros((6, 5), bool)
LAND[2, 1:3] = True


def packed(u):
    """Whole numbers with a scale and an offset, as reanalyses are packed, and -999 on land."""
    return np.where(LAND, -999, np.round((u - 5) / 0.01)).astype(np.int16)


def check_weather(found):
    assert found.channels == ("z_500", "z_850") and found.constants == ("depth",)
    assert len(found) == 1 and found.boundary == ("unknown", "periodic")
    np.testing.assert_array_equal(found.mask, ~LAND)
    np.testing.assert_allclose(found.coordinates[1], np.arange(5) * 72)
    sea = ~LAND
    np.testing.assert_allclose(found[0][:, sea, 0], U[0][:, sea], atol=0.0051)
    np.testing.assert_allclose(found[0][:, sea, 1], U[1][:, sea], atol=0.0051)
    assert not found[0][:, LAND].any()


AXES = {
    "time": np.arange(4) * 6.0,
    "level": np.array([500.0, 850.0]),
    "lat": np.linspace(-75, 75, 6),
    "lon": np.arange(5) * 72.0,
}
PACKING = {"scale_factor": 0.01, "add_offset": 5.0, "_FillValue": np.int16(-999)}


def test_classic_netcdf(tmp_path):
    with io.netcdf_file(tmp_path / "era.nc", "w") as file:
        for name, values in AXES.items():
            file.createDimension(name, len(values))
            file.createVariable(name, "f8", (name,))[:] = values
        z = file.createVariable("z", "i2", ("time", "level", "lat", "lon"))
        z[:] = np.stack([packed(U[0]), packed(U[1])], 1)
        for name, value in PACKING.items():
            setattr(z, name, value)
        file.createVariable("depth", "f4", ("lat", "lon"))[:] = U[2, 0]
    check_weather(data.read(tmp_path / "era.nc"))


def test_netcdf_of_hdf5(tmp_path):
    with h5py.File(tmp_path / "era.nc", "w") as file:
        for name, values in AXES.items():
            file[name] = values
            file[name].make_scale(name)
        file["z"] = np.stack([packed(U[0]), packed(U[1])], 1)
        file["z"].attrs.update(PACKING)
        file["depth"] = U[2, 0]
        for name, axes in (("z", AXES), ("depth", ("lat", "lon"))):
            for dimension, axis in zip(file[name].dims, axes, strict=True):
                dimension.attach_scale(file[axis])
    check_weather(data.read(tmp_path / "era.nc"))


def test_zarr(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "era.zarr"), mode="w", zarr_format=2)

    def write(name, values, axes, **attributes):
        array = group.create_array(name, shape=values.shape, dtype=values.dtype)
        array[...] = values
        array.attrs.update(attributes | {"_ARRAY_DIMENSIONS": list(axes)})

    for name, values in AXES.items():
        write(name, values, (name,))
    z = np.stack([packed(U[0]), packed(U[1])], 1)
    write("z", z, AXES, scale_factor=0.01, add_offset=5.0, _FillValue=-999)
    write("depth", U[2, 0], ("lat", "lon"))
    check_weather(data.read(tmp_path / "era.zarr"))


@pytest.mark.parametrize("version", ["npz", "mat", "mat 7.3", "hdf5"])
def test_arrays_whose_axes_are_stated(tmp_path, version):
    """Coefficients and solutions, as in the files of the Fourier neural operator's paper."""
    path, arrays = tmp_path / f"pairs.{version[:3]}", {"sol": U, "coeff": U[:, 0]}
    if version == "npz":
        np.savez(path, **arrays)
    elif version == "mat":
        io.savemat(path, arrays)
    else:  # MATLAB writes its axes in the opposite order, behind 512 bytes of its own
        user_block = 512 if version == "mat 7.3" else 0
        with h5py.File(path, "w", userblock_size=user_block) as file:
            for name, values in arrays.items():
                file[name] = values.T if user_block else values
        if user_block:
            with open(path, "r+b") as file:
                file.write(b"MATLAB 7.3 MAT-file")
    found = data.read(
        path, fields=["sol"], constants=["coeff"], axes="ntxy", lengths=(2, 1), time_step=0.5
    )
    np.testing.assert_array_equal(found[1], U[1][..., None])
    np.testing.assert_array_equal(found._constants(1)[..., 0], U[1, 0])
    assert found.lengths == (2, 1) and found.time_step == 0.5


def test_npy_and_channels(tmp_path):
    np.save(tmp_path / "u.npy", np.moveaxis(U, 1, -1))
    found = data.read(tmp_path / "u.npy", fields=["u"], axes="nxyc")
    assert found.channels == ("u_0", "u_1", "u_2", "u_3") and len(found.times) == 1
    np.testing.assert_array_equal(found[0], np.moveaxis(U[:1], 1, -1))


def test_files_of_one_kind_are_one_data_set(tmp_path):
    for k in range(3):
        np.savez(tmp_path / f"{k}.npz", u=U[k : k + 1])
    found = data.read(tmp_path, fields=["u"], axes="ntxy")
    assert len(found) == 3
    np.testing.assert_array_equal(found[2][..., 0], U[2])
    np.savez(tmp_path / "3.npz", u=U[:, :3])
    with pytest.raises(ValueError, match="differ in their number of times: 3 and 4"):
        data.read(tmp_path, fields=["u"], axes="ntxy")


def test_a_file_of_objects_is_refused_not_unpickled(tmp_path):
    objects = np.array([{"a": 1}, "b"], object)
    np.savez(tmp_path / "o.npz", u=objects)
    np.save(tmp_path / "o.npy", objects)
    for name in ("o.npz", "o.npy"):
        with pytest.raises(ValueError, match="object"):
            data.read(tmp_path / name, fields=["u"], axes="n")
    io.savemat(tmp_path / "o.mat", {"u": objects, "v": U})
    with pytest.raises(ValueError, match="'u' is not an array of real numbers"):
        data.read(tmp_path / "o.mat", fields=["u"], axes="nx")


def test_a_link_out_of_a_file_is_not_followed(tmp_path):
    write_hdf5(tmp_path / "other.h5", u=U)
    with h5py.File(tmp_path / "linked.h5", "w") as file:
        file["u"] = h5py.ExternalLink("other.h5", "u")
    with pytest.raises(ValueError, match="Arrays: none"):
        data.read(tmp_path / "linked.h5")


def test_what_cannot_be_told_is_refused_with_what_to_pass(tmp_path):
    path = write_hdf5(tmp_path / "own.h5", **{"run/u": U, "a": U[:, 0], "b": U[:, 0, 0, 0]})
    with pytest.raises(
        ValueError, match=r"Arrays: a \(3, 6, 5\), b \(3,\), run/u .*Groups: run.*axes='ntxy'"
    ):
        data.read(path)
    (tmp_path / "text.h5").write_text("u = 1")
    with pytest.raises(ValueError, match="is no file of HDF5"):
        data.read(tmp_path / "text.h5")
    with pytest.raises(FileNotFoundError, match="There is no"):
        data.read(tmp_path / "nowhere.h5")
    stated = dict(fields=["run/u"], axes="ntxy")
    for change, message in (
        (dict(fields=["v"]), "has no array 'v'"),
        (dict(axes="ntx"), "4 axes, but axes= says 'ntx'"),
        (dict(axes="ntxq"), "a letter for each axis"),
        (dict(axes=None, constants=["a"]), "goes with axes="),
        (dict(axes=None, parameters=["a"]), "parameters=. goes with axes="),
        (dict(parameters="a"), "one number for each of the 3 trajectories, or one for all"),
        (dict(parameters="nu"), "has no array 'nu'"),
        (dict(constants="b"), "name it by parameters=, not by constants="),
        (dict(fields=None), "needs the names"),
        (dict(lengths=0), "lengths must be positive"),
        (dict(time_step=-1), "time_step must be positive"),
        (dict(boundary=("wall",)), "one for each of 2 axes"),
        (dict(mask=np.ones(3)), r"shape \(6, 5\); got shape \(3,\)"),
        (dict(mask=np.zeros((6, 5))), "leaves no point"),
        (dict(mask="land"), "no array 'land' for the mask"),
    ):
        with pytest.raises(ValueError, match=message):
            data.read(path, **(stated | change))


def test_fields_on_different_grids_are_named(tmp_path):
    path = write_hdf5(
        tmp_path / "two.h5", density=U, Vx=U[:, :, :3], x_coordinate=X, y_coordinate=Y
    )
    with pytest.raises(
        ValueError, match="'density' has 6 points along the axis 'x', but 'Vx' has 3"
    ):
        data.read(path)


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    path = write_hdf5(tmp_path / "u.h5", u=U)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"needs h5py: pip install 'jaxsci\[files\]'"):
        data.read(path)


def test_trajectories_of_the_well_with_times_of_their_own_are_refused(tmp_path):
    path = tmp_path / "made.hdf5"
    write_well(path)
    with h5py.File(path, "r+") as file:
        del file["dimensions/time"]
        file["dimensions/time"] = np.arange(4) * np.array([[1.0], [2.0], [3.0]])
    with pytest.raises(ValueError, match="'time' differs between the trajectories"):
        data.read(path)
    with h5py.File(path, "r+") as file:
        del file["dimensions/time"]
    with pytest.raises(ValueError, match="lacks the coordinates of 'time'"):
        data.read(path)
