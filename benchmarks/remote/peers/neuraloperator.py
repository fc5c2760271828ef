"""neuraloperator 2.0 on PyTorch, in an interpreter of its own: our FNO, built from its layers."""

import torch  # pyright: ignore
from neuralop.layers.spectral_convolution import SpectralConv  # pyright: ignore

from benchmarks.remote.peers._torch_layers import DEVICE, fields, pointwise
from benchmarks.remote.serve import serve


def _spectral(arrays, name, modes):
    """Its layer with our weights: rows of k = -m..m, where ours are 0..m, -1..-m."""
    weight = torch.from_numpy(arrays[name])
    for axis, m in enumerate(modes[:-1]):
        weight = torch.cat(
            [weight.narrow(axis, m + 1, m).flip(axis), weight.narrow(axis, 0, m + 1)], axis
        )
    dim = len(modes)
    # (*modes, in, 2, out) to (in, out, *modes)
    weight = torch.complex(*weight.permute(dim + 1, dim, dim + 2, *range(dim)))
    layer = SpectralConv(*weight.shape[:2], tuple(2 * m + 1 for m in modes), bias=False)
    layer.weight.tensor.data = weight.contiguous()
    return layer


class Network(torch.nn.Module):
    """Lifting, spectral and pointwise layers, projection: the formula of our FNO."""

    def __init__(self, arrays, modes):
        super().__init__()
        depth = sum(name.startswith("convolution") for name in arrays)
        dim = len(modes)
        self.lift = pointwise(arrays, "lift", dim)
        self.convolutions = torch.nn.ModuleList(
            _spectral(arrays, f"convolution{i}", modes) for i in range(depth)
        )
        self.skips = torch.nn.ModuleList(pointwise(arrays, f"skip{i}", dim) for i in range(depth))
        self.project = torch.nn.ModuleList(pointwise(arrays, f"project{i}", dim) for i in range(2))
        self.register_buffer("position", torch.from_numpy(arrays["position"]).movedim(-1, 0)[None])

    def forward(self, a):
        position = self.position.expand(len(a), *self.position.shape[1:])
        v = self.lift(torch.cat([a, position], 1))
        gelu = torch.nn.functional.gelu
        for i, (convolution, skip) in enumerate(zip(self.convolutions, self.skips, strict=True)):
            v = convolution(v) + skip(v)
            v = gelu(v) if i < len(self.skips) - 1 else v
        return self.project[1](gelu(self.project[0](v)))


def build(case, arrays):
    """`layer`, `forward` or `gradient`."""
    modes = tuple(int(m) for m in arrays["modes"])
    a = fields(arrays["a"])
    if case == "layer":
        layer = _spectral(arrays, "convolution0", modes).to(DEVICE)
        out_grid = tuple(int(n) for n in arrays["out_grid"])

        def resampled():
            with torch.no_grad():
                return layer(a, output_shape=out_grid).movedim(1, -1).cpu().numpy()

        return resampled
    network = Network(arrays, modes).to(DEVICE)
    if case == "forward":

        def forward():
            with torch.no_grad():
                return network(a).movedim(1, -1).cpu().numpy()

        return forward
    target = fields(arrays["target"])

    def gradient():
        network.zero_grad(set_to_none=True)
        ((network(a) - target) ** 2).mean().backward()
        weight = network.lift.weight.grad
        return weight.reshape(weight.shape[:2]).T.cpu().numpy()

    return gradient


if __name__ == "__main__":
    serve(build)
