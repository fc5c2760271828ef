"""A case's own picture, as base64 of a PNG."""

import base64
import io
from collections.abc import Callable
from typing import Any


def picture(plot: Callable[[Any, Any], None], output: Any) -> str | None:
    """Draw `plot(axes, output)`; `None` where Matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return None
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    plot(figure.add_subplot(), output)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return base64.b64encode(buffer.getvalue()).decode()
