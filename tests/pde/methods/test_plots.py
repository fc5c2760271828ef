import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci import pde

SQUARE = pde.Box((0.0, 0.0), (1.0, 1.0))


def _wave(x):
    return jnp.sin(3 * x[0]) * jnp.exp(x[-1])


def _drawn(figure, panel):
    return figure.axes[panel].collections[0].get_array().reshape(-1)


def test_shows_residual_and_error_and_leaves_out_what_is_outside():
    pytest.importorskip("matplotlib", reason="figures are an extra")
    ring = SQUARE - pde.Ball((0.5, 0.5), 0.2)
    close = lambda x: _wave(x) * (1 + 1e-3)  # noqa: E731
    figure = pde.plot_solution(close, ring, op=pde.poisson(0.0), exact=_wave, points=11)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles[0] == "solution" and "rms" in titles[1]
    assert titles[2] == "error, 1.0e-03 relative"
    values = np.ma.filled(_drawn(figure, 0), np.nan).reshape(11, 11)  # y, x
    assert np.isnan(values[5, 5]) and not np.isnan(values[0, 0])
    np.testing.assert_allclose(values[10, 3], np.sin(0.9) * np.e * 1.001)


@pytest.mark.parametrize("double", [True, False])
def test_draws_what_is_exactly_zero(double):
    pytest.importorskip("matplotlib", reason="figures are an extra")
    nothing = lambda x: 0.0 * x[0]  # noqa: E731
    with jax.enable_x64(double):
        for domain in (SQUARE, pde.Interval(0.0, 1.0)):
            figure = pde.plot_solution(
                nothing, domain, op=lambda u, x: u(x), exact=nothing, points=3
            )
            assert "solution that is zero" in " ".join(ax.get_title() for ax in figure.axes)
            for ax in figure.axes:
                if domain is SQUARE and ax.get_title().startswith(("residual", "error")):
                    np.testing.assert_allclose(ax.collections[0].get_array(), -150)


def test_draws_curves_times_and_components():
    pytest.importorskip("matplotlib", reason="figures are an extra")
    line = pde.Interval(0.0, 1.0)
    two = lambda x: jnp.stack([x[0], 2 * x[0]])  # noqa: E731
    figure = pde.plot_solution(two, line, component=1, points=5)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), 2 * np.linspace(0, 1, 5))
    moving = pde.plot_solution(_wave, line.during(0.0, 2.0), points=5)
    assert moving.axes[0].get_ylabel() == "t"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"domain": pde.Box((0.0,) * 3, (1.0,) * 3)}, "one or two coordinates"),
        ({"domain": SQUARE, "points": 1}, "at least two points"),
        ({"domain": SQUARE, "u": lambda x: 1j * x[0], "points": 2}, "draws real numbers"),
        ({"domain": SQUARE, "u": lambda x: jnp.eye(2) * x[0], "points": 2}, r"of shape \(2, 2\)"),
        (
            {"domain": pde.Ball((0.5, 0.5), 0.1) - pde.Ball((0.5, 0.5), 0.09), "points": 2},
            "None of",
        ),
        ({"domain": SQUARE, "component": 2, "points": 3}, "no component 2: u has 2"),
    ],
)
def test_refuses_what_it_cannot_draw(arguments, message):
    with pytest.raises(ValueError, match=message):
        pde.plot_solution(**({"u": lambda x: x[:2]} | arguments))


def test_refuses_what_is_not_a_domain():
    with pytest.raises(TypeError, match="needs a domain"):
        pde.plot_solution(_wave, (0.0, 1.0))  # pyright: ignore[reportArgumentType]
