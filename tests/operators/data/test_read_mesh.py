"""Meshes of files: points, weights and fields, by meshio."""

import numpy as np
import pytest

from jaxsci.operators import data

meshio = pytest.importorskip("meshio")

CORNERS = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]], float)


def written(path, points, cells, **fields):
    meshio.write(path, meshio.Mesh(points, cells, point_data=fields))
    return path


def test_a_plane_mesh_with_its_boundary(tmp_path):
    """z is left out, lines of the boundary do not count, fields have channels."""
    cells = [("line", [[0, 1], [1, 2]]), ("triangle", [[0, 1, 2], [0, 2, 3]])]
    field = np.arange(4.0)
    mesh = data.read_mesh(written(tmp_path / "plane.vtk", CORNERS, cells, height=field))
    np.testing.assert_array_equal(mesh.points, CORNERS[:, :2])
    np.testing.assert_allclose(mesh.weights, [2 / 3, 1 / 3, 2 / 3, 1 / 3])
    np.testing.assert_array_equal(mesh.fields["height"], field[:, None])


@pytest.mark.parametrize("kind", ["quad", "hexahedron"])
def test_no_corner_of_a_symmetric_cell_is_preferred(tmp_path, kind):
    points = CORNERS if kind == "quad" else np.concatenate([CORNERS, CORNERS + [0, 0, 3]])
    mesh = data.read_mesh(written(tmp_path / "a.vtk", points, [(kind, [list(range(len(points)))])]))
    volume = 2.0 if kind == "quad" else 6.0
    np.testing.assert_allclose(mesh.weights, volume / len(points))


def test_what_is_refused(tmp_path):
    six = np.concatenate([CORNERS[:3], CORNERS[:3] + [0.5, 0.5, 0]])
    with pytest.raises(ValueError, match="triangle6"):
        data.read_mesh(written(tmp_path / "curved.vtk", six, [("triangle6", [list(range(6))])]))
    (tmp_path / "text.vtk").write_text("no mesh")
    with pytest.raises(ValueError, match="cannot be read by meshio"):
        data.read_mesh(tmp_path / "text.vtk")
    with pytest.raises(ValueError, match="cannot be read by meshio"):
        data.read_mesh(tmp_path / "absent.vtk")
