"""Users who know the pages of their pillar and want one thing each: the scripts of docs/scripts.

Each has at most fifteen lines, reads a file that is written here, and is judged by what is known
otherwise.
"""
# ruff: noqa: E731 - short functions as a script has them

import pathlib
import re
import tomllib

import jax
import numpy as np
import pytest

import jaxsci as jsci

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scripts.md").read_text()
SCRIPT = re.compile(r"^## ([\w ]+):.*?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPTS = dict(SCRIPT.findall(PAGE))


@pytest.mark.report("jaxsci")
def test_scripts_are_short():
    """What was asked for: the goal in at most fifteen lines, imports included."""
    lines = {name: [x for x in text.split("\n") if x.strip()] for name, text in SCRIPTS.items()}
    assert len(lines) == 8
    for of_one in lines.values():
        assert len(of_one) <= 15 and max(map(len, of_one)) <= 100


@pytest.mark.report("jaxsci")
def test_scripts_name_extras_that_there_are():
    """What was asked for: which extras each script needs. Right: those of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for section in PAGE.split("\n## ")[1:]:
        text = " ".join(section.split())
        needs = re.search(r"Needs (no extra\.|the extras? `jaxsci\[([\w,]+)\]`)", text)
        assert needs is not None, section.split("\n")[0]
        assert set((needs[2] or "all").split(",")) <= set(project["optional-dependencies"])


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The names of a script after it ran in a folder of its own, with JAX's defaults."""
    monkeypatch.chdir(tmp_path)

    def run(name):
        names = {"__name__": "__main__"}
        double = "jax_enable_x64" in SCRIPTS[name]
        with jax.enable_x64(double), jax.numpy_rank_promotion("allow"):
            exec(compile(SCRIPTS[name], name, "exec"), names)
        return names

    return run


@pytest.mark.slow
@pytest.mark.report("jaxsci")
def test_a_chemist_has_an_xyz_file(run):
    """Right: water by PBE/def2-SVP, whose harmonic frequencies PySCF gives as 1609, 3691, 3790,
    and the density by PySCF of the same orbitals.
    """
    pytest.importorskip("pyscf")
    pathlib.Path("molecule.xyz").write_text(
        "3\nwater\nO 0 0 0.117\nH 0 0.757 -0.47\nH 0 -0.757 -0.47"
    )
    found = run("A molecule")
    jsci, relaxed, vibrations = found["jsci"], found["relaxed"], found["vibrations"]
    assert relaxed.converged and vibrations.stationary
    np.testing.assert_allclose(vibrations.frequencies, [1608.6, 3690.8, 3790.2], atol=2)
    assert "1608" in str(vibrations)
    again = jsci.dft.molecule("relaxed.xyz", "def2-svp")
    np.testing.assert_allclose(again.coordinates, relaxed.molecule.coordinates, atol=1e-11)
    mf = jsci.dft.to_pyscf(relaxed.molecule, found["pbe"], relaxed.result)
    chi = mf.mol.eval_gto("GTOval", np.asarray(found["points"]).reshape(-1, 3)[::97])
    rho = np.einsum("pi,ij,pj->p", chi, mf.make_rdm1(), chi)
    np.testing.assert_allclose(found["density"].ravel()[::97], rho, atol=1e-9)
    assert len(pathlib.Path("density.cube").read_text()) > found["density"].size


@pytest.mark.slow
@pytest.mark.report("jaxsci")
def test_a_functional_developer_has_a_flax_network(run):
    """Right: full configuration interaction of H₂ in the same basis, at a distance between."""
    pytest.importorskip("pyscf")
    pytest.importorskip("flax")
    found = run("A functional")
    jsci, other = found["jsci"], found["other"]["energy"]
    assert found["found"].status == "completed"
    report = lambda params: jsci.dft.training_report(found["functional"], params, other).mae
    assert report(found["found"].params) < min(1.0, 0.2 * report(found["params"]))  # kcal/mol


@pytest.mark.slow
@pytest.mark.report("jaxsci")
def test_a_pinn_user_has_a_cavity(run):
    """Right: the stream function at Reynolds number 100 under a lid of speed 4x(1 - x), by
    Chebyshev collocation and Newton's method, which shares no code with this.
    """
    import jax.numpy as jnp

    from benchmarks.cases.pde.pinnacle._references import cavity_stream_function

    flow = run("A flow")["found"]
    at, psi = cavity_stream_function(32, (0.01,))
    middle = np.abs(at[:, 0] - 0.5) < 1e-9
    y = jnp.linspace(0, 1, 201)
    u = jax.vmap(lambda y: flow.field(flow.params, jnp.array([0.5, y]))[0])(y)
    below = np.concatenate([[0], np.cumsum((u[1:] + u[:-1]) / 2) / 200])  # the flow below y
    np.testing.assert_allclose(
        np.interp(at[middle, 1], y, below), psi[middle], atol=0.01 * np.abs(psi).max()
    )


@pytest.mark.slow
@pytest.mark.report("jaxsci")
def test_a_pinn_user_has_an_inverse_problem(run):
    """Right: k = 0.7, planted in -k u'' = f whose solution is seen with 1 % of noise."""
    x, rng = np.linspace(0.05, 0.95, 20), np.random.default_rng(2)
    seen = np.sin(np.pi * x) + 0.01 * rng.normal(size=20)
    np.savetxt("measured.csv", np.column_stack([x, seen]), delimiter=",")
    k = run("A coefficient")["k"]
    # One amplitude from 20 values: Σ sin² = 10, so that its deviation is 0.01 / √10.
    assert abs(k - 0.7) < 3 * 0.7 * 0.01 / 10**0.5


@pytest.mark.slow
@pytest.mark.report("jaxsci")
def test_a_pinn_user_has_an_unknown_field(run):
    """Right: k = 1 + xy, planted in -∇·(k∇u) = 1, solved by finite volumes and seen at 300 places
    with noise of 1 % of max u.

    k follows the slope of u, about 2 max u. Of the values 21 lie within 0.15 of a place, from which
    the slope there follows to 0.01 max u / (0.075 √21): by half as much again as k may be wrong.
    """
    nodes, rng = np.linspace(0, 1, 101), np.random.default_rng(3)
    planted = lambda x, y: 1 + x * y
    coefficient = planted(*np.meshgrid(nodes, nodes, indexing="ij"))
    solve = jsci.operators.data.solve_darcy
    u = np.asarray(solve(coefficient, np.ones((99, 99)), tolerance=1e-10))
    i, j = rng.integers(0, 99, (2, 300))
    seen = u[i, j] + 0.01 * u.max() * rng.normal(size=300)
    np.savetxt("measured.csv", np.column_stack([nodes[i + 1], nodes[j + 1], seen]), delimiter=",")
    found = run("An unknown field")
    # Towards the corners u becomes flat, and says nothing of k.
    inside = np.stack(np.meshgrid(nodes[10:91:5], nodes[10:91:5]), -1).reshape(-1, 2)
    w = jax.vmap(found["w"], (None, 0))(found["found"].params, inside)
    relative = np.exp(w[:, 1]) / planted(*inside.T) - 1
    assert np.sqrt(np.mean(relative**2)) < 0.03


@pytest.mark.slow
@pytest.mark.report("jaxsci")
def test_an_operator_user_has_a_file_of_pdebench(run):
    """Right: waves that move by a tenth of the period, on held-out trajectories of the file."""
    h5py = pytest.importorskip("h5py")
    rng, x, t = np.random.default_rng(0), (np.arange(64) + 0.5) / 64, np.linspace(0, 1, 11)
    size, phase = rng.normal(size=(60, 3, 1, 1)), rng.uniform(0, 2 * np.pi, (60, 3, 1, 1))
    waves = np.arange(1, 4)[None, :, None, None] * (x - 0.1 * t[:, None])
    with h5py.File("advection.hdf5", "w") as file:
        file["tensor"] = np.sum(size * np.sin(2 * np.pi * waves + phase), 1).astype(np.float32)
        file["x-coordinate"], file["t-coordinate"] = x.astype(np.float32), t.astype(np.float32)
    found = run("Many trajectories")
    truth, forecast = found["truth"][10], found["forecast"][-1]
    assert np.linalg.norm(forecast - truth) < 0.05 * np.linalg.norm(truth - truth.mean())
    assert "validation loss" in str(found["found"])


CUBE = (("a", "alpha"), ("b", "beta"), ("c", "gamma"))


@pytest.mark.slow
@pytest.mark.report("jaxsci")
def test_a_materials_user_has_a_cif_file(run):
    """Right: CHGNet's silicon by ASE's optimiser, and a crystal that vibrates about a minimum.

    The lattice constant is 5.43 Å measured, and PBE's, which CHGNet learned, 5.47.
    """
    pytest.importorskip("ase")
    lengths = "".join(f"_cell_length_{a} 5.6\n_cell_angle_{n} 90\n" for a, n in CUBE)
    loop = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
    pathlib.Path("crystal.cif").write_text(
        f"data_Si\n_space_group_name_H-M_alt 'F d -3 m'\n_space_group_IT_number 227\n{lengths}"
        f"_chemical_formula_sum Si\n_cell_formula_units_Z 8\n{loop}Si1 0 0 0\n"
    )
    found = run("A crystal")
    relaxed, stiffness, highest = (found[name] for name in ("relaxed", "stiffness", "highest"))
    assert relaxed.converged and len(relaxed.atoms.numbers) == 8
    assert abs(relaxed.atoms.volume ** (1 / 3) - 5.46) < 0.03
    # GPa: 166, 64 and 80 measured; THz: 15.5. CHGNet's crystals are known to be too soft.
    assert np.linalg.eigvalsh(stiffness)[0] > 0
    np.testing.assert_allclose(np.diag(stiffness), np.repeat(np.diag(stiffness)[[0, 3]], 3), atol=1)
    assert 12 < highest < 16
    atoms = found["jsci"].atoms
    assert atoms.phonons(found["constants"], atoms.mesh((2, 2, 2))).min() > 0
    again = atoms.read("relaxed.xyz")[0].atoms
    np.testing.assert_allclose(again.positions, relaxed.atoms.positions, atol=1e-12)


@pytest.mark.slow
@pytest.mark.report("jaxsci")
def test_a_statistician_has_a_table(run):
    """Right: held-out values of a planted function with planted noise of a fifth of the values'
    deviation, of which intervals of 90 % hold 90 % within the chance of 200 values.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    values = x[:, 0] * np.sin(x[:, 1]) + 0.5 * x[:, 2]
    values += 0.2 / 0.96**0.5 * values.std() * rng.normal(size=500)
    table = np.column_stack([x * [1, 10, 0.1], 5 + 3 * values])
    np.savetxt("table.csv", table, delimiter=",", header="a,b,c,y")
    found = run("A table")
    prediction, truth = found["prediction"], found["truth"]
    health = found["jsci"].bayes.health(prediction.draws.reshape(4, -1, 200))
    assert np.quantile(health.r_hat, 0.9) < 1.2
    assert np.sqrt(np.mean((prediction.mean - truth) ** 2)) < 0.3
    assert abs(prediction.coverage(truth, 0.9) - 0.9) < 3 * (0.09 / 200) ** 0.5
