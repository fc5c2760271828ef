"""Token mixers of the shape of a feed-forward network, as local kernel integrals."""

from collections.abc import Sequence

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from .._fields.axis_points import Points
from .._fields.edge_padding import Boundary, warn_of_edges
from .._fields.fields import check_field
from .._fields.pointwise import Pointwise, apply_mlp, gelu, pointwise_mlp
from .convolution import KernelConv


class MetaMixer(eqx.Module):
    """Blocks that mix points as a feed-forward network mixes channels: query, key and value.

        h ← h + V σ(K Q h),   h ← h + N h   (`depth` times),   u = R h

    Q is pointwise; K and V are depthwise `KernelConv`s, from each channel to r of its own and back,
    with the GELU σ between them in place of attention's softmax; N is a pointwise network with one
    hidden layer. The kernels have a physical radius, so the same parameters are one operator on
    every sufficiently fine grid, to second order. There are no norms, which would remove the scale
    of the input.

    **Arguments:**

    - `in_channels`, `out_channels`: number of components of the input and output functions.
    - `dim`: number of grid axes, 1 to 3.
    - `width`: hidden channels. Good values: 16 to 64.
    - `depth`: number of blocks. Information travels 2 `radius` per block.
    - `radius`, `knots`, `boundary`, `lengths`, `points`: of the kernels, as in `KernelConv`.
        Good values: a radius of three to six spacings of the training grid, 5 knots.
    - `expansion`: r, the hidden channels of mixers and networks per channel.
    - `key`: PRNG key of the weights.

    Called as `model(a)`: `a` is one sample `(*grid, in_channels)`, the output
    `(*grid, out_channels)` at the same points.

    **Raises:** `ValueError` for sizes that are not positive, and as `KernelConv`.

    **Notes:** warns of a field that is not periodic along a periodic axis.

    **Source:** Yun et al., "MetaMixer Is All You Need", 2024, section 3, with kernel integrals for
    convolutions.

    ```python
    model = jsci.operators.MetaMixer(
        1, 1, dim=1, width=16, depth=3, radius=0.08, key=jax.random.key(0)
    )
    u = model(a)  # a, u: (64, 1)
    ```
    """

    lift: Pointwise
    queries: list[Pointwise]
    keys: list[KernelConv]
    values: list[KernelConv]
    networks: list[list[Pointwise]]
    project: Pointwise
    in_channels: int = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        dim: int,
        width: int,
        depth: int,
        radius: float,
        knots: int = 5,
        boundary: Boundary | Sequence[Boundary] = "periodic",
        lengths: float | Sequence[float] = 1.0,
        points: Points | Sequence[Points] = "left",
        expansion: int = 2,
        key: PRNGKeyArray,
    ):
        if min(in_channels, out_channels, width, depth, expansion) < 1:
            raise ValueError(
                "MetaMixer needs in_channels, out_channels, width, depth and expansion >= 1; got "
                f"{in_channels}, {out_channels}, {width}, {depth} and {expansion}."
            )
        self.in_channels, hidden = in_channels, expansion * width
        made = iter(jax.random.split(key, 5 * depth + 2))
        options = {
            "dim": dim, "radius": radius, "knots": knots, "boundary": boundary,
            "lengths": lengths, "points": points, "groups": width,
        }  # fmt: skip
        blocks = range(depth)
        self.lift = Pointwise(in_channels, width, key=next(made))
        self.queries = [Pointwise(width, width, key=next(made)) for _ in blocks]
        self.keys = [KernelConv(width, hidden, **options, key=next(made)) for _ in blocks]
        self.values = [KernelConv(hidden, width, **options, key=next(made)) for _ in blocks]
        self.networks = [pointwise_mlp([width, hidden, width], made) for _ in blocks]
        self.project = Pointwise(width, out_channels, key=next(made))

    def __call__(self, a: Float[Array, "*grid in_channels"]) -> Float[Array, "*grid out_channels"]:
        check_field(a, self.in_channels, len(self.keys[0].edges), "MetaMixer")
        warn_of_edges(a, self.keys[0].edges, "MetaMixer")
        h = self.lift(a)
        for query, key, value, network in zip(
            self.queries, self.keys, self.values, self.networks, strict=True
        ):
            h = h + value.convolve(gelu(key.convolve(query(h))))
            h = h + apply_mlp(network, h)
        return self.project(h)
