"""Functionals point by point against libxc, over tiny, polarised and vanishing densities."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.dft import Features, Functional, functional_names, xc

libxc = pytest.importorskip("pyscf.dft.libxc")

# our name -> libxc's description (PySCF's syntax)
PARTS = {
    "slater": "LDA_X",
    "vwn5": "LDA_C_VWN",
    "vwn_rpa": "LDA_C_VWN_RPA",
    "pw92": "LDA_C_PW",
    "pw92_mod": "LDA_C_PW_MOD",
    "pbe_x": "GGA_X_PBE",
    "revpbe_x": "GGA_X_PBE_R",
    "pbesol_x": "GGA_X_PBE_SOL",
    "b88": "GGA_X_B88",
    "pbe_c": "GGA_C_PBE",
    "pbesol_c": "GGA_C_PBE_SOL",
    "lyp": "GGA_C_LYP",
    "p86": "GGA_C_P86",
    "pw91_x": "GGA_X_PW91",
    "pw91_c": "GGA_C_PW91",
    "pz81": "LDA_C_PZ",
    "tpss_x": "MGGA_X_TPSS",
    "tpss_c": "MGGA_C_TPSS",
    "scan_x": "MGGA_X_SCAN",
    "scan_c": "MGGA_C_SCAN",
    "rscan_x": "MGGA_X_RSCAN",
    "rscan_c": "MGGA_C_RSCAN",
    "r2scan_x": "MGGA_X_R2SCAN",
    "r2scan_c": "MGGA_C_R2SCAN",
    "slater_sr": "LDA_X_ERF",
    "b88_sr": "GGA_X_ITYH",
    "pbe_x_sr": "GGA_X_WPBEH",
    "wb97x": "HYB_GGA_XC_WB97X",
    "wb97x-v": "HYB_GGA_XC_WB97X_V",
    "m06_l_x": "MGGA_X_M06_L",
    "m06_l_c": "MGGA_C_M06_L",
    "m06_2x_x": "HYB_MGGA_X_M06_2X",
    "m06_2x_c": "MGGA_C_M06_2X",
    "pw6b95": "HYB_MGGA_XC_PW6B95",
    "wb97x-d": "HYB_GGA_XC_WB97X_D",
    "b97m-v": "MGGA_XC_B97M_V",
    "wb97m-v": "HYB_MGGA_XC_WB97M_V",
}
# libxc raises |∇ρ_s|^(3/4) to this. At densities below 1e-8 it shows in exp(-a/√s), and where equal
# and opposite spins nearly cancel.
RAISED = {"r2scan_x": 1e-11, "m06_2x_c": 1e-12}
OMEGA = {"slater_sr": 0.33, "b88_sr": 0.33, "pbe_x_sr": 0.11}


def make(name):
    return xc(name, omega=OMEGA.get(name))


def points(polarisation):
    """Densities 1e-9..3e2, reduced gradients 0..30, kinetic energies above von Weizsäcker's."""
    rng = np.random.default_rng(0)
    n = 400
    rho = 10 ** rng.uniform(-4 if polarisation == "nearly full" else -9, 2.5, n)
    zeta = {
        "none": np.zeros(n),
        "some": rng.uniform(-0.95, 0.95, n),
        # libxc gives an absent spin a density of 1e-15 to 1e-12 (see the test of the limit below).
        "nearly full": np.full(n, 1 - 1e-4),
    }[polarisation]
    spin = np.stack([rho * (1 + zeta) / 2, rho * (1 - zeta) / 2])
    length = spin ** (4 / 3) * 10 ** rng.uniform(-3, 1.5, (1, n)) * (rng.uniform(size=n) > 0.05)
    direction = rng.standard_normal((2, n, 3))
    if polarisation == "none":
        direction[1] = direction[0]
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    gradient = length[..., None] * direction
    sigma = np.einsum("sgx,tgx->stg", gradient, gradient)
    von_weizsaecker = np.divide(
        np.stack([sigma[0, 0], sigma[1, 1]]), 8 * spin, where=spin > 0, out=np.zeros_like(spin)
    )
    tau = von_weizsaecker + rng.uniform(0, 3, (2, n)) * spin ** (5 / 3)
    if polarisation == "none":
        tau[1] = tau[0]
    return spin, gradient, sigma, tau


def reference(description, level, spin, gradient, tau, omega=None):
    rho = np.zeros((2, {"lda": 1, "gga": 4, "mgga": 5}[level], spin.shape[1]))
    rho[:, 0] = spin
    if level != "lda":
        rho[:, 1:4] = gradient.transpose(0, 2, 1)
    if level == "mgga":
        rho[:, 4] = tau
    rho = rho if level != "lda" else rho[:, 0]
    out = libxc.eval_xc1(description, rho, spin=1, deriv=1, omega=omega)
    return out[0] * spin.sum(0), out[1:]


@functools.cache
def program(name):
    """Energy and potential at many points: one program for all the densities of a functional."""
    functional = make(name)
    return jax.jit(jax.vmap(jax.value_and_grad(lambda f: functional(None, f))))


def ours(name, spin, sigma, tau, polarised=True):
    features = Features(
        spin[0],
        spin[1],
        sigma[0, 0],
        sigma[0, 1],
        sigma[1, 1],
        tau[0],
        tau[1],
        polarised=polarised,
    )
    return program(name)(features)


@pytest.mark.parametrize("polarisation", ["none", "some", "nearly full"])
@pytest.mark.parametrize("name", PARTS)
def test_equals_libxc(name, polarisation):
    spin, gradient, sigma, tau = points(polarisation)
    if name == "pbe_x_sr":
        # libxc loses the digits of short-ranged exchange where ω is beyond 3 k_F; see below.
        dense = np.min(spin, axis=0) > (0.11 / 3) ** 3 / (6 * np.pi**2)
        spin, gradient, sigma, tau = (
            spin[:, dense],
            gradient[:, dense],
            sigma[..., dense],
            tau[:, dense],
        )
    level = make(name).level
    value, potential = reference(PARTS[name], level, spin, gradient, tau, OMEGA.get(name))
    if name in RAISED:
        diagonal = np.eye(2, dtype=bool)
        sigma[diagonal] = np.maximum(sigma[diagonal], RAISED[name] ** (8 / 3))
    e, d = ours(name, spin, sigma, tau)
    np.testing.assert_allclose(e, value, rtol=1e-10, atol=1e-17)
    ours_v = [d.rho_a, d.rho_b, d.sigma_aa, d.sigma_ab, d.sigma_bb, d.tau_a, d.tau_b]
    # Compared by what they contribute to the energy: v_σ σ is what enters the potential.
    scale = [spin[0], spin[1], sigma[0, 0], sigma[0, 1], sigma[1, 1], tau[0], tau[1]]
    for v, w, s in zip(ours_v, potential, scale, strict=False):
        size = np.abs(value)
        np.testing.assert_allclose(v * s / size, w * s / size, rtol=1e-8, atol=1e-8)


# Those whose compilation takes long.
SLOW = ("pbe_x_sr", "hse06", "scan_x", "scan_c", "rscan_c", "m06_2x_c", "wb97x-d", "wb97m-v")


def slowly(names, slow=SLOW):
    return [pytest.param(n, marks=pytest.mark.slow) if n in slow else n for n in names]


# Sums of parts that are tested themselves; those with an omega have parts that are not.
SUMS = tuple(n for n in functional_names() if n not in PARTS and xc(n).omega is None)


@pytest.mark.parametrize("name", slowly(functional_names(), SLOW + SUMS))
def test_unpolarised_shortcut_is_exact(name):
    spin, _, sigma, tau = points("none")
    full, d_full = ours(name, spin, sigma, tau)
    short, d_short = ours(name, spin, sigma, tau, polarised=False)
    np.testing.assert_allclose(short, full, rtol=1e-13, atol=1e-30)
    total = d_full.rho_a + d_full.rho_b
    np.testing.assert_allclose(d_short.rho_a + d_short.rho_b, total, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("name", PARTS)
def test_absent_spin_is_the_limit(name):
    rho, sigma = jnp.array([1e-6, 1e-3, 1.0, 30.0]), jnp.array([1e-13, 1e-6, 0.5, 200.0])

    def value(fraction):
        return make(name)(None, Features(rho, fraction * rho, sigma, 0.0, 0.0))

    np.testing.assert_allclose(value(0.0), value(1e-16), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("name", slowly(PARTS))
def test_finite_to_second_order_everywhere(name):
    functional = make(name)
    values = jnp.array([0.0, 1e-300, 1e-40, 1e-20, 1e-15, 1.1e-15, 1e-10, 1.0, 1e3])
    a, b, s, t = (x.ravel() for x in jnp.meshgrid(values, values, values, values[::2]))
    features = Features(a, b, s, s, s, t, t)

    def energy(f):
        return functional(None, f)

    def orders(f):
        ones = jax.tree.map(jnp.ones_like, f)
        return energy(f), jax.jvp(jax.grad(energy), (f,), (ones,))

    leaves = jax.jit(jax.vmap(orders))(features)
    for leaf in jax.tree.leaves(leaves):
        assert bool(jnp.all(jnp.isfinite(leaf)))


@pytest.mark.parametrize("name", slowly(PARTS))
def test_a_feature_that_is_nan_makes_the_energy_nan(name):
    functional = make(name)
    good = jnp.array([0.31, 0.22, 0.08, 0.02, 0.05, 0.4, 0.3])
    energy = jax.jit(lambda x: functional(None, Features(*x)))
    slopes = jax.grad(energy)(good)
    assert jnp.any(slopes != 0)
    for i in np.flatnonzero(slopes):  # the features that it depends on
        assert np.isnan(energy(good.at[i].set(jnp.nan))), i


def test_screened_exchange_of_low_densities():
    # The formula in 60 digits at s = 0.7 and ω = 0.11: ρ, energy, and its slope at fixed gradient.
    exact = (
        (1.7e-8, -1.87466442774664e-14, -2.20459435539929e-6),
        (1e-7, -6.47740629631778e-13, -1.29376113922372e-5),
        (1e-5, -6.23396407407107e-9, -0.00120814084711669),
    )
    for rho, energy, slope in exact:
        sigma = 4 * (3 * np.pi**2) ** (2 / 3) * rho ** (8 / 3) * 0.49

        def e(r, sigma=sigma):
            spins = (r / 2, r / 2, sigma / 4, sigma / 4, sigma / 4)
            return xc("pbe_x_sr", omega=0.11)(None, Features(*spins, polarised=False))

        value, derivative = jax.value_and_grad(e)(rho)
        np.testing.assert_allclose(value, energy, rtol=1e-11)
        np.testing.assert_allclose(derivative, slope, rtol=1e-11)


@pytest.mark.parametrize("name", slowly(["hse06", "cam-b3lyp"]))
def test_range_separated_hybrids_equal_libxc(name):
    spin, gradient, sigma, tau = points("nearly full")
    code = "HYB_GGA_XC_" + name.upper().replace("-", "_")
    value, _ = reference(code, "gga", spin, gradient, tau)
    np.testing.assert_allclose(ours(name, spin, sigma, tau)[0], value, rtol=1e-10)
    functional, (omega, far, gained) = xc(name), libxc.rsh_coeff(code)
    assert (functional.omega, functional.exact_exchange) == (omega, pytest.approx(far + gained))
    assert functional.long_range_exchange == pytest.approx(-gained)


def test_second_derivative_against_differences():
    functional = xc("pbe")
    f = Features(0.3, 0.1, 0.05, 0.01, 0.02)
    gradient = jax.grad(lambda a: functional(None, eqx.tree_at(lambda t: t.rho_a, f, a)))
    a = jnp.asarray(0.3)
    h = 1e-5
    difference = (gradient(a + h) - gradient(a - h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(gradient)(a), difference, rtol=1e-8)


def test_functionals_compose():
    spin, _, sigma, _ = points("some")
    parts = 0.75 * xc("pbe_x") + xc("pbe_c") + xc("hf") * 0.25
    pbe0 = xc("PBE0")
    assert pbe0.exact_exchange == parts.exact_exchange == 0.25
    assert parts.level == "gga"
    f = Features(spin[0], spin[1], sigma[0, 0], sigma[0, 1], sigma[1, 1])
    np.testing.assert_allclose(parts(None, f), pbe0(None, f), rtol=1e-14)
    np.testing.assert_allclose(xc("lda, VWN")(None, f), xc("svwn")(None, f), rtol=1e-14)
    np.testing.assert_allclose(xc(",lyp")(None, f), xc("lyp")(None, f), rtol=1e-14)


def test_ranges_compose():
    cam = 0.19 * xc("hf") + 0.46 * xc("hf_lr", omega=0.33) + 0.35 * xc("b88")
    assert (cam.exact_exchange, cam.long_range_exchange, cam.omega) == (0.19, 0.46, 0.33)
    assert "omega=0.33" in repr(cam)
    with pytest.raises(ValueError, match=r"omega=0.33 .* and at omega=0.3 \(hf_lr\)"):
        _ = cam + xc("hf_lr", omega=0.3)
    with pytest.raises(ValueError, match=r"xc\('hf_lr'\) needs omega > 0"):
        xc("hf_lr")
    with pytest.raises(ValueError, match=r"xc\('pbe'\) takes none"):
        xc("pbe", omega=0.3)
    with pytest.raises(ValueError, match="long-ranged exchange needs omega"):
        Functional((), long_range_exchange=1.0)


def test_uniform_gas_value():
    # The exchange energy per electron of the gas at r_s = 1 is -0.458165 Hartree.
    rho = 3 / (4 * np.pi)
    energy = xc("slater")(None, Features(rho / 2, rho / 2)) / rho
    np.testing.assert_allclose(energy, -0.458165293283143, rtol=1e-12)


def test_functionals_are_values():
    assert xc("pbe") == xc("pbe")
    assert hash(xc("b3lyp")) == hash(xc("B3LYP"))
    assert "pbe0" in repr(xc("pbe0"))


@pytest.mark.parametrize(
    ("name", "same"),
    [
        *(("M06L", "m06-l"), ("M06_L", "m06-l"), ("M062X", "m06-2x"), ("M06_2X", "m06-2x")),
        *(("B97MV", "b97m-v"), ("ωB97M_V", "wb97m-v"), ("wB97XD", "wb97x-d"), ("BP", "bp86")),
        *(("cam_b3lyp", "cam-b3lyp"), ("bp-d3bj", "bp86-d3bj"), ("wb97m_d4", "wb97m-d4")),
        *(("PW91, PW91", "pw91"), ("b, p86", "bp86"), ("SCAN,SCAN", "scan")),
    ],
)
def test_names_as_elsewhere(name, same):
    assert xc(name).named("") == xc(same).named("")


def test_bad_names_are_explained():
    with pytest.raises(ValueError, match=r"'wb97m'\) is part of .* 'wb97m-v' \(with VV10\)"):
        xc("wb97m")
    with pytest.raises(ValueError, match="Did you mean 'pbe'"):
        xc("pbee")
    with pytest.raises(ValueError, match="Did you mean 'b3lyp'"):
        xc("b3lpy")
    with pytest.raises(ValueError, match="unknown functional 'lda,wvn'"):
        xc("lda,wvn")
    with pytest.raises(TypeError, match="(?i)takes a name|type-check"):
        xc(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="allowed are lda, gga, mgga"):
        Functional((), "hyper")


@pytest.mark.parametrize("factor", [np.float32(0.5), np.float64(0.5), jnp.float32(0.5).item()])
def test_factors_of_numpy_are_numbers(factor):
    assert factor * xc("pbe") == 0.5 * xc("pbe") == xc("pbe") * factor
