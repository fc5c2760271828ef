"""What files say of their numbers, times and coordinates, and what is refused of it."""

import warnings

import jax
import numpy as np
import pytest

from jaxsci.operators import data

h5py = pytest.importorskip("h5py")
io = pytest.importorskip("scipy.io")
U = np.random.default_rng(0).standard_normal((3, 4, 6))  # trajectories, times, x


def write_hdf5(path, **arrays):
    with h5py.File(path, "w") as file:
        file.update(arrays)
    return path


def write_netcdf(path, u, times=None, attributes=(), of_time=()):
    """A field of axes (time, x), as `u` is stored."""
    with io.netcdf_file(path, "w") as file:
        for name, size in zip(("time", "x"), u.shape, strict=True):
            file.createDimension(name, size)
        variables: list[tuple] = [("u", u, ("time", "x"), attributes)]
        if times is not None:
            variables.append(("time", np.asarray(times), ("time",), of_time))
        for name, values, axes, given in variables:
            variable = file.createVariable(name, values.dtype.str[1:], axes)
            variable[:] = values
            for key, value in dict(given).items():
                setattr(variable, key, value)
    return path


WHOLE = np.arange(12, dtype=np.int16).reshape(4, 3)


def test_packed_numbers_are_unpacked_whoever_states_the_axes(tmp_path):
    """Coordinates too, and signed bytes that are declared unsigned."""
    packing = {"scale_factor": 0.5, "add_offset": 10.0}.items()
    path = write_netcdf(tmp_path / "u.nc", WHOLE, np.arange(4, dtype=np.int16), packing, packing)
    for found in (data.read(path), data.read(path, fields=["u"], axes="tx")):
        np.testing.assert_array_equal(found[0][..., 0], 10 + WHOLE / 2)
    np.testing.assert_array_equal(data.read(path).times, [10, 10.5, 11, 11.5])
    octets = (WHOLE * 20).astype(np.uint8)
    path = write_netcdf(tmp_path / "b.nc", octets.view(np.int8), None, [("_Unsigned", "true")])
    np.testing.assert_array_equal(data.read(path)[0][..., 0], octets)
    np.testing.assert_array_equal(data.read(path).times, [0, 1, 2, 3])


def test_all_declared_values_are_missing_and_a_state_without_values_is_no_mask(tmp_path):
    missing = [("missing_value", np.array([0, 2], np.int16))]
    path = write_netcdf(tmp_path / "u.nc", WHOLE, np.arange(4.0), missing)
    np.testing.assert_array_equal(data.read(path).mask, [False, True, False])
    land = np.where(WHOLE < 1, 1e20, WHOLE).astype(np.float32)  # in float32 it is not 1e20 itself
    path = write_netcdf(tmp_path / "w.nc", land, np.arange(4.0), [("missing_value", 1e20)])
    np.testing.assert_array_equal(data.read(path).mask, [False, True, True])
    late, fill = np.where(WHOLE < 3, -1, WHOLE).astype(np.int16), [("_FillValue", np.int16(-1))]
    path = write_netcdf(tmp_path / "v.nc", late, np.arange(4.0), fill)
    with pytest.raises(ValueError, match="no values in its first state"):
        data.read(path)


@pytest.mark.parametrize(("last", "boundary"), [(330, "periodic"), (300, "unknown")])
def test_longitudes_around_the_globe(tmp_path, last, boundary):
    def write(last):
        longitudes = np.arange(0, last + 1, 30.0)
        with io.netcdf_file(tmp_path / f"{last}.nc", "w") as file:
            file.createDimension("time", 1)
            file.createDimension("lon", len(longitudes))
            file.createVariable("lon", "f8", ("lon",))[:] = longitudes
            file.createVariable("u", "f8", ("time", "lon"))[:] = np.cos(np.deg2rad(longitudes))
        return tmp_path / f"{last}.nc"

    assert data.read(write(last)).boundary == (boundary,)
    with pytest.warns(UserWarning, match="from 0 to 360 degrees, the same meridian twice"):
        data.read(write(360))


@pytest.mark.parametrize("times", [[3, 2, 1, 0], [0, 1, 1, 2], [0, 1, np.nan, 3]])
def test_times_that_do_not_ascend_are_refused(tmp_path, times):
    path = write_netcdf(tmp_path / "u.nc", WHOLE, np.array(times, float))
    with pytest.raises(ValueError, match="the times do not ascend"):
        data.read(path)
    assert data.read(path, time_step=0.5).time_step == 0.5


def test_times_of_another_step_are_refused_and_later_ones_are_not(tmp_path):
    """Steps of 1e-9 are told apart as well as others."""
    first, later, coarse, uneven = (
        write_netcdf(tmp_path / f"{k}.nc", WHOLE, 1e-9 * np.array(times))
        for k, times in enumerate(([0, 1, 2, 3], [4, 5, 6, 7], [0, 3, 6, 9], [0, 1, 3, 4]))
    )
    assert len(data.read([first, later])) == 2
    with pytest.raises(ValueError, match="differ in their times.*by time_step="):
        data.read([first, coarse])
    assert data.read([first, coarse], time_step=1.0).time_step == 1.0
    assert data.read(uneven).time_step is None
    with pytest.warns(UserWarning, match="not evenly spaced: steps are between 1e-09 and 2e-09"):
        data.read(uneven).batch(jax.random.key(0), 2)
    data.read(uneven).during(0, 2).batch(jax.random.key(0), 2)
    for paths in ([], [first, first]):
        with pytest.raises(ValueError, match="one path or several different ones"):
            data.read(paths)


@pytest.mark.parametrize(("points", "times"), [(6, 3), (6, 7), (7, 4), (1, 4)])
def test_coordinates_that_are_not_those_of_the_field_are_refused(tmp_path, points, times):
    coordinates = {"x-coordinate": np.arange(points), "t-coordinate": np.arange(times)}
    path = write_hdf5(tmp_path / "1d.hdf5", tensor=U, **coordinates)
    with pytest.raises(ValueError, match=r"'tensor' has \d points along the axis '[tx]'"):
        data.read(path)


@pytest.mark.parametrize("kind", ["npz", "npy", "h5", "nc", "mat"])
def test_a_file_that_is_cut_short_is_named(tmp_path, kind):
    path = tmp_path / f"u.{kind}"
    write = {
        "h5": lambda: write_hdf5(path, u=U),
        "nc": lambda: write_netcdf(path, U[0]),
        "mat": lambda: io.savemat(path, {"u": U}),
        "npz": lambda: np.savez(path, u=U),
        "npy": lambda: np.save(path, U),
    }
    write[kind]()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"u.{kind} cannot be opened .*may be cut short"):
        data.read(path, fields=["u"], axes="ntx")


@pytest.mark.parametrize("name", ["tensor", "t0_fields/psi"])
def test_a_field_of_complex_numbers_is_named(tmp_path, name):
    """In a file of a known layout; of The Well it is not left out."""
    with h5py.File(tmp_path / "psi.hdf5", "w") as file:
        file[name] = U + 1j
        file["x-coordinate"], file["t-coordinate"] = np.arange(6.0), np.arange(4.0)
        if name != "tensor":
            file.create_group("dimensions").attrs["spatial_dims"] = ["x"]
            file["dimensions/x"], file["dimensions/time"] = np.arange(6.0), np.arange(4.0)
    with pytest.raises(ValueError, match=f"'{name}' is not an array of real numbers"):
        data.read(tmp_path / "psi.hdf5")


def test_coordinates_without_fields_say_what_to_pass(tmp_path):
    path = write_hdf5(tmp_path / "1d.hdf5", wave=U, **{"x-coordinate": np.arange(6.0)})
    with pytest.raises(ValueError, match="none of the fields 'tensor'.*wave .*axes='ntx'"):
        data.read(path)


def test_uneven_points_are_warned_of_once_and_those_of_gauss_are_not(tmp_path, key):
    """Networks on a grid take points for evenly spaced."""
    rows = {
        "uneven": np.cos(np.pi * np.arange(6) / 5),
        "even": np.linspace(-1, 1, 6, dtype=np.float32),
        "gauss": np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(6)[0])),
    }
    found = {
        name: data.read(
            write_hdf5(
                tmp_path / f"{name}.h5",
                tensor=U,
                **{"x-coordinate": x, "t-coordinate": np.arange(4.0)},
            )
        )
        for name, x in rows.items()
    }
    with pytest.warns(UserWarning, match="along the axis 'x' are not evenly spaced: .* 0.191 and"):
        found["uneven"].batch(key, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for trajectories in found.values():
            trajectories.batch(key, 2)


def test_complex_numbers_are_refused_and_files_have_their_common_dtype(tmp_path):
    np.save(tmp_path / "u.npy", U + 1j)
    with pytest.raises(ValueError, match="Save complex ones as two real arrays"):
        data.read(tmp_path / "u.npy", fields=["u"], axes="ntx")
    paths = [tmp_path / "0.npz", tmp_path / "1.npz"]
    for path, dtype in zip(paths, (np.float32, np.float64), strict=True):
        np.savez(path, u=U.astype(dtype))
    assert data.read(paths, fields=["u"], axes="ntx").dtype == np.float64


def test_a_velocity_and_times_alone_are_no_file_of_pdebench(tmp_path):
    np.savez(tmp_path / "flow.npz", velocity=np.ones((4, 6)), t=np.arange(4.0))
    with pytest.raises(ValueError, match="none of the known layouts"):
        data.read(tmp_path / "flow.npz")
