"""Six users who know the README and the pages of their pillar, and want one thing each.

Each script is what such a user would write, in at most fifteen lines; then it is judged by what
is known otherwise.
"""
# ruff: noqa: E731 - short functions as a script has them

import numpy as np
import pytest

pytestmark = pytest.mark.slow


@pytest.mark.report("jaxsci")
def test_a_chemist_has_an_xyz_file_and_wants_vibrations(tmp_path):
    """Right: water by PBE/def2-SVP, whose harmonic frequencies PySCF gives as 1609, 3691, 3790."""
    pytest.importorskip("pyscf")
    path = tmp_path / "water.xyz"
    path.write_text("3\nwater\nO 0 0 0.117\nH 0 0.757 -0.47\nH 0 -0.757 -0.47\n")

    import jaxsci as jsci

    pbe = jsci.dft.xc("pbe")
    water = jsci.dft.molecule(path, "def2-svp")
    result = jsci.dft.scf(water, pbe)
    forces = jsci.dft.forces(water, pbe, result=result)
    relaxed = jsci.dft.relax(water, pbe)
    jsci.dft.to_pyscf(relaxed.molecule, pbe, relaxed.result).mol.tofile(str(tmp_path / "new.xyz"))
    vibrations = jsci.dft.vibrations(relaxed.molecule, pbe)

    assert result.converged and relaxed.converged and vibrations.stationary
    np.testing.assert_allclose(np.sum(forces, axis=0), 0, atol=1e-4)  # of the grid
    assert relaxed.energy < result.energy
    np.testing.assert_allclose(vibrations.frequencies, [1608.6, 3690.8, 3790.2], atol=2)
    assert "1608" in str(vibrations)
    again = jsci.dft.molecule(tmp_path / "new.xyz", "def2-svp")
    np.testing.assert_allclose(again.coordinates, relaxed.positions, atol=1e-5)


@pytest.mark.report("jaxsci")
def test_a_functional_developer_has_a_flax_network():
    """Right: full configuration interaction of H₂ in the same basis, on distances between."""
    pytest.importorskip("pyscf")
    nn = pytest.importorskip("flax.linen")
    import jax
    import jax.numpy as jnp

    import jaxsci as jsci

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(1)(nn.tanh(nn.Dense(8)(x)))[0]

    h2 = [f"H 0 0 0; H 0 0 {r}" for r in (0.6, 0.74, 1.1, 1.6, 0.9)]
    molecules = [jsci.dft.molecule(atoms, "6-31g", grid=0) for atoms in h2]
    exact = jsci.dft.reference_energies(h2, "6-31g", method="fci")
    variables = Network().init(jax.random.key(0), jnp.zeros(3))
    network, params = jsci.pure(Network(), variables, dtype=jnp.float64)
    functional = jsci.dft.neural_functional(network)
    data = {"energy": jsci.dft.training_batch(molecules[:4], exact[:4])}
    other = {"energy": jsci.dft.training_batch(molecules[4:], exact[4:])}
    loss = jsci.objective({"energy": jsci.dft.energy_error(functional)})
    start = jsci.dft.training_report(functional, params, other["energy"]).mae
    found = jsci.fit(loss, params, data, jsci.levenberg_marquardt(), steps=15, validation=other)
    report = jsci.dft.training_report(functional, found.params, other["energy"])

    assert found.status == "completed"
    assert report.mae < min(1.0, 0.2 * start)  # kcal/mol


@pytest.mark.report("jaxsci")
def test_a_pinn_user_has_a_cavity():
    """Right: the stream function at Reynolds number 100 under a lid of speed 4x(1 - x), by
    Chebyshev collocation and Newton's method, which shares no code with this.
    """
    import jax
    import jax.numpy as jnp

    import jaxsci as jsci
    from benchmarks.cases.pde.pinnacle._references import cavity_stream_function

    square = jsci.pde.Box((0.0, 0.0), (1.0, 1.0))
    lid = lambda x: jnp.array([4 * x[0] * (1 - x[0]), 0.0]) * (x[1] == 1.0)
    walls = [jsci.pde.uniform(s, 60)(jax.random.key(0)) for s in square.boundary.values()]
    equations = {
        "flow": jsci.pde.navier_stokes(0.01),
        "walls": lambda w, x: w(x)[:2] - lid(x),
        "pressure": lambda w, x: w(x)[2],
    }
    points = {"flow": jsci.pde.sobol(square, 700), "walls": jnp.concatenate(walls)}
    points |= {"pressure": jnp.zeros((1, 2))}
    features = jsci.pde.polynomial_features(square, [14, 14])
    flow = jsci.pde.least_squares(
        equations, lambda f: f, features, points, outputs=3, tolerance=0.05
    )

    at, psi = cavity_stream_function(32, (0.01,))
    middle = np.abs(at[:, 0] - 0.5) < 1e-9
    y = jnp.linspace(0, 1, 201)
    u = jax.vmap(lambda y: flow.field(flow.params, jnp.array([0.5, y]))[0])(y)
    below = np.concatenate([[0], np.cumsum((u[1:] + u[:-1]) / 2) / 200])  # the flow below y
    np.testing.assert_allclose(
        np.interp(at[middle, 1], y, below), psi[middle], atol=0.01 * np.abs(psi).max()
    )


@pytest.mark.report("jaxsci")
def test_a_pinn_user_has_an_inverse_problem():
    """Right: k = 0.7, planted in -k u'' = f whose solution is seen with 1 % of noise."""
    import jax
    import jax.numpy as jnp

    import jaxsci as jsci

    line = jsci.pde.Interval(0.0, 1.0)
    x = jnp.linspace(0.05, 0.95, 20)[:, None]
    seen = jnp.sin(jnp.pi * x[:, 0]) + 0.01 * jax.random.normal(jax.random.key(2), (20,))
    source = lambda x: 0.7 * jnp.pi**2 * jnp.sin(jnp.pi * x[0])

    f, w = jsci.pure(jsci.nn.MLP(1, "scalar", width=10, depth=1, key=jax.random.key(0)))
    u = jsci.pde.dirichlet(f, line)
    pde = lambda p, x: p["k"] * jsci.laplacian(lambda y: u(p["u"], y))(x) + source(x)
    loss = jsci.objective({"pde": pde, "data": lambda p, s: u(p["u"], s[0]) - s[1]})
    points = {"pde": jsci.pde.sobol(line, 200)(jax.random.key(1)), "data": (x, seen)}
    start = {"u": w, "k": 1.0}
    found = jsci.fit(loss, start, points, jsci.levenberg_marquardt(), steps=30)

    # One amplitude from 20 values: Σ sin² = 10, so that its deviation is 0.01 / √10.
    assert abs(found.params["k"] - 0.7) < 3 * 0.7 * 0.01 / 10**0.5


@pytest.mark.report("jaxsci")
def test_a_pinn_user_has_an_unknown_field():
    """Right: k = 1 + x/2, planted in -(k u')' = f whose solution is seen with 1 % of noise.

    k u' is the integral of f, so that k follows the slope of u, which fifty values give to 3 %: an
    error of 0.01 over a tenth of the interval, where five of them lie, beside slopes up to π.
    """
    import jax
    import jax.numpy as jnp

    import jaxsci as jsci

    line = jsci.pde.Interval(0.0, 1.0)
    x = jnp.linspace(0, 1, 50)[:, None]
    seen = jnp.sin(jnp.pi * x[:, 0]) + 0.01 * jax.random.normal(jax.random.key(2), (50,))
    given = lambda x: (1 + x[0] / 2) * jnp.pi * jnp.cos(jnp.pi * x[0])

    u, w = jsci.pure(jsci.nn.MLP(1, "scalar", width=16, depth=1, key=jax.random.key(0)))
    g, v = jsci.pure(jsci.nn.MLP(1, "scalar", width=8, depth=1, key=jax.random.key(1)))
    u, k = jsci.pde.dirichlet(u, line), lambda p, x: jnp.exp(g(p, x))
    flux = lambda p: lambda x: k(p["k"], x) * jsci.derivative(lambda y: u(p["u"], y), 0)(x)
    balance = lambda p: lambda x: flux(p)(x) - given(x)
    pde = lambda p, x: jsci.derivative(balance(p), 0)(x)
    loss = jsci.objective({"pde": pde, "data": lambda p, s: u(p["u"], s[0]) - s[1]})
    points = {"pde": jsci.pde.sobol(line, 200)(jax.random.key(3)), "data": (x, seen)}
    start = {"u": w, "k": v}
    found = jsci.fit(loss, start, points, jsci.levenberg_marquardt(), steps=60)

    at = jnp.array([[0.1], [0.3], [0.7], [0.9]])
    np.testing.assert_allclose(
        jax.vmap(lambda x: k(found.params["k"], x))(at), 1 + at[:, 0] / 2, rtol=0.06
    )


@pytest.mark.report("jaxsci")
def test_an_operator_user_has_a_file_of_pdebench(tmp_path):
    """Right: waves that move by a tenth of the period, on held-out trajectories of the file."""
    h5py = pytest.importorskip("h5py")
    import jax
    import jax.numpy as jnp
    import optax

    import jaxsci as jsci

    path = tmp_path / "1D_Advection_Sols_beta0.1.hdf5"
    rng, x, t = np.random.default_rng(0), (np.arange(64) + 0.5) / 64, np.linspace(0, 1, 11)
    size, phase = rng.normal(size=(60, 3, 1, 1)), rng.uniform(0, 2 * np.pi, (60, 3, 1, 1))
    waves = np.arange(1, 4)[None, :, None, None] * (x - 0.1 * t[:, None])
    with h5py.File(path, "w") as file:
        file["tensor"] = np.sum(size * np.sin(2 * np.pi * waves + phase), 1).astype(np.float32)
        file["x-coordinate"], file["t-coordinate"] = x.astype(np.float32), t.astype(np.float32)

    training, validation, test = jsci.operators.data.read(path).split(0.6, 0.2)
    scale = training.normaliser()
    network = jsci.operators.FNO(1, 1, width=12, modes=12, depth=1, key=jax.random.key(1))
    f, params = jsci.pure(network, dtype=jnp.float32)
    step = lambda p, u: u + f(p, u)
    batch = lambda key: {"data": training.batch(key, 8, steps=1, normaliser=scale)}
    other = lambda key: {"data": validation.batch(key, 16, steps=1, normaliser=scale)}
    loss = jsci.objective({"data": jsci.operators.unrolled_loss(step, 1)})
    found = jsci.fit(
        loss, params, batch, optax.adam(5e-3), steps=500, key=jax.random.key(2), validation=other
    )
    truth = scale.forward(jnp.asarray(test[0], jnp.float32))
    forecast = jsci.operators.rollout(step, found.params, truth[0], 10)
    error = jsci.operators.metrics.vrmse(forecast[-1], truth[10])

    assert float(error.max()) < 0.05
    assert "validation loss" in str(found)


@pytest.mark.report("jaxsci")
def test_a_materials_user_has_a_cif_file(tmp_path):
    """Right: CHGNet's silicon by ASE's optimiser, and a crystal that vibrates about a minimum.

    The lattice constant is 5.43 Å measured, and PBE's, which CHGNet learned, 5.47.
    """
    pytest.importorskip("ase")
    path = tmp_path / "silicon.cif"
    lengths = "".join(f"_cell_length_{a} 5.6\n_cell_angle_{n} 90\n" for a, n in CUBE)
    loop = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
    path.write_text(
        f"data_Si\n_space_group_name_H-M_alt 'F d -3 m'\n_space_group_IT_number 227\n{lengths}"
        f"_chemical_formula_sum Si\n_cell_formula_units_Z 8\n{loop}Si1 0 0 0\n"
    )

    import jax

    import jaxsci as jsci

    crystal = jsci.atoms.read(path)[0].atoms
    energy, params = jsci.atoms.chgnet()
    near = dict(cutoff=energy.cutoff, angle_cutoff=energy.angle_cutoff)
    f = jax.jit(jsci.atoms.properties(energy))
    nearby = jsci.atoms.NeighbourList(crystal, **near, room=1.5)
    relaxed = jsci.atoms.relax(f, params, crystal, nearby, cell=True)
    constants = jsci.atoms.force_constants(
        f, params, relaxed.atoms, **near, supercell=(1, 1, 1), displacement=0.01
    )
    frequencies = jsci.atoms.phonons(constants, jsci.atoms.mesh((2, 2, 2)))

    print(relaxed.atoms.cell, frequencies.min(), frequencies.max())
    assert relaxed.converged and len(relaxed.atoms.numbers) == 8
    assert abs(relaxed.atoms.volume ** (1 / 3) - 5.46) < 0.03
    # THz; 15.5 measured, and CHGNet's crystals are known to be too soft.
    assert frequencies.min() > 0 and 12 < frequencies.max() < 16


CUBE = (("a", "alpha"), ("b", "beta"), ("c", "gamma"))


@pytest.mark.report("jaxsci")
def test_a_statistician_has_a_table():
    """Right: held-out values of a planted function with planted noise, of which intervals of 90 %
    hold 90 % within the chance of 200 values.
    """
    rng = np.random.default_rng(0)
    table = rng.normal(size=(500, 3))
    values = table[:, 0] * np.sin(table[:, 1]) + 0.5 * table[:, 2] + 0.2 * rng.normal(size=500)

    import jax
    import jax.numpy as jnp

    import jaxsci as jsci

    x, y, new, truth = table[:300], values[:300], table[300:], values[300:]
    f, params = jsci.pure(jsci.nn.MLP(3, "scalar", width=20, depth=1, key=jax.random.key(0)))
    prior = jsci.bayes.prior(params)

    def log_posterior(z):
        errors = jax.vmap(f, (None, 0))(prior.whiten(z), x) - y
        size = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(z))
        return -0.5 * jnp.sum((errors / 0.2) ** 2) - 0.5 * size

    sampler = jsci.bayes.langevin(0.15, friction=0.1)
    found = jsci.bayes.chains(jax.random.key(1), sampler, log_posterior, prior.white, steps=4000)
    kept = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), found.params)
    prediction = jsci.bayes.predict(lambda z, x: f(prior.whiten(z), x), kept, new, noise=0.2)

    of_chains = prediction.draws.reshape(4, -1, len(new))
    print(jsci.bayes.health(of_chains), found.health, prediction.coverage(truth, 0.9))
    assert jnp.quantile(jsci.bayes.health(of_chains).r_hat, 0.9) < 1.2
    assert jnp.sqrt(jnp.mean((prediction.mean - truth) ** 2)) < 0.3
    assert abs(prediction.coverage(truth, 0.9) - 0.9) < 3 * (0.09 / 200) ** 0.5
    assert "R̂ at most" in str(found.health)
