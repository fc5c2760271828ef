"""The report's charts as inline SVG, drawn with Matplotlib."""

import io
import math
import re
from collections.abc import Sequence
from typing import Any

from ..runner.result import CaseResult

INK, GREY, GRID = "#1c2430", "#6b7684", "#e4e8ee"
BLUE, ORANGE, GREEN = "#2f6fb0", "#d9822b", "#3a9469"
COLOURS = (BLUE, ORANGE, GREEN, "#a1498f", "#7a6a4f", "#c0453e")
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
}
# Matplotlib writes its own address into a file's metadata; a report should point nowhere.
NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}


def have_matplotlib() -> bool:
    """Whether charts can be drawn."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def ratio_bars(cases: Sequence[CaseResult]) -> str:
    """How many times faster than its baseline each case is, with 95 % intervals."""
    rows = [case for case in cases if case.baseline and not case.baseline.part][::-1]

    def draw(axes: Any) -> None:
        for place, case in enumerate(rows):
            assert case.baseline is not None
            ratio = case.baseline.ratio
            colour = BLUE if ratio.median >= 1 else ORANGE
            axes.barh(place, ratio.median - 1, left=1, height=0.55, color=colour, alpha=0.85)
            if ratio.low is not None and ratio.high is not None:
                axes.plot([ratio.low, ratio.high], [place, place], color=INK, lw=1.6)
            axes.annotate(
                f"{ratio.median:.3g}×",
                (max(ratio.high or ratio.median, 1.0), place),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontweight="bold",
            )
        labels = [f"{case.name}\nagainst {case.baseline.label}" for case in rows if case.baseline]
        axes.set_yticks(range(len(rows)), labels, color=INK)
        axes.set_xscale("log")
        axes.axvline(1, color=INK, lw=1)
        axes.grid(axis="y", visible=False)
        low = min(c.baseline.ratio.low or c.baseline.ratio.median for c in rows if c.baseline)
        high = max(c.baseline.ratio.high or c.baseline.ratio.median for c in rows if c.baseline)
        axes.set_xlim(min(0.8, low * 0.8), max(1.6, high * 1.9))
        _plain_log_ticks(axes.xaxis)
        axes.set_xlabel("baseline time / our time (right of 1: faster)")

    return _svg(draw, (8.6, 0.9 + 0.52 * len(rows)), "ratios") if rows else ""


def scaling_curve(case: CaseResult) -> str:
    """Throughput against batch size, with the loop over one item where it was timed."""
    scaling = case.scaling
    assert scaling is not None
    sizes = [point.n for point in scaling.points]
    rates = [point.per_second for point in scaling.points]

    def draw(axes: Any) -> None:
        axes.loglog(sizes, rates, "o-", color=BLUE, lw=2, ms=5, label="jit(vmap)")
        if scaling.loop:
            at = sizes.index(scaling.loop.n)
            rate = rates[at] / scaling.loop.ratio.median
            axes.plot(
                scaling.loop.n, rate, "s", color=ORANGE, ms=6, label="loop over one jitted item"
            )
        axes.set_xticks(sizes, [str(n) for n in sizes])
        axes.minorticks_off()
        _plain_log_ticks(axes.yaxis)
        axes.margins(x=0.08)
        # At least a decade, so that a flat curve looks flat.
        spread = max(4.0, 1.6 * (max(rates) / min(rates)) ** 0.5)
        middle = (max(rates) * min(rates)) ** 0.5
        axes.set_ylim(middle / spread, middle * spread)
        axes.set_xlabel("batch size")
        axes.set_ylabel(f"{case.item} per second")
        _legend_above(axes)

    return _svg(draw, (4.2, 3.0), f"scaling-{case.name}")


def work_precision(case: CaseResult) -> str:
    """Error against seconds, one line for each of the case's curves."""

    def draw(axes: Any) -> None:
        for index, (label, curve) in enumerate(case.curves.items()):
            colour = COLOURS[index % len(COLOURS)]
            seconds, errors = zip(*curve, strict=True)
            axes.semilogy(seconds, errors, "o-", color=colour, lw=2, ms=4, label=label or None)
        axes.axhline(case.tolerance, color=GREY, ls="--", lw=1, label="limit")
        axes.set_xlabel("seconds")
        axes.set_ylabel(case.error_name)
        _seconds_from(axes, [second for curve in case.curves.values() for second, _ in curve])
        _whole_decades(axes)
        _legend_above(axes)

    return _svg(draw, (4.2, 3.0), f"work-{case.name}")


def _seconds_from(axes: Any, seconds: Sequence[float]) -> None:
    """Seconds from 0 on; on a logarithmic axis only where they span more than a decade."""
    if max(seconds) <= 10 * min(seconds):
        axes.set_xlim(0, 1.05 * max(seconds))
        return
    axes.set_xscale("log")
    _plain_log_ticks(axes.xaxis, steps=(1.0,))


def _whole_decades(axes: Any) -> None:
    """A logarithmic axis of errors from power of ten to power of ten: no label is in the way."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axes.get_ylim()
    axes.set_ylim(10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)))
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _legend_above(axes: Any) -> None:
    """The legend over the axes, where no data can be under it."""
    axes.figure.legend(loc="outside upper left", fontsize=8, ncols=2)


def _plain_log_ticks(axis: Any, *, steps: Sequence[float] = (1.0, 2.0, 5.0)) -> None:
    """Ticks at `steps` times powers of ten, written as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=steps, numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _svg(draw: Any, size: tuple[float, float], name: str) -> str:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # The salt keeps the ids of the charts on one page apart.
    style: Any = STYLE | {"svg.hashsalt": name}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=size, layout="constrained", facecolor="none")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot(facecolor="none"))
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=NO_METADATA)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Named ids ("figure_1", "patch_2") repeat from chart to chart and nothing refers to them.
    return re.sub(r'<g id="[^"]*">', "<g>", text)
