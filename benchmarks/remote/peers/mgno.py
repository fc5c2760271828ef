"""The authors' MgNO on PyTorch, in an interpreter of its own: our network, of its layers."""

from functools import partial

import torch  # pyright: ignore
from models import MgIte_init  # pyright: ignore

from benchmarks.remote.peers._torch_layers import DEVICE, fields, pointwise
from benchmarks.remote.serve import serve


def _convolution(weight, stride=1):
    """Their 3 x 3 layer with our stencil (3, 3, in, out)."""
    weight = torch.from_numpy(weight).permute(3, 2, 0, 1).contiguous()
    layer = torch.nn.Conv2d(
        weight.shape[1], weight.shape[0], 3, stride, padding=int(stride == 1), bias=False
    )
    layer.weight.data = weight
    return layer


def _prolongation(weight):
    weight = torch.from_numpy(weight).permute(2, 3, 0, 1).contiguous()
    layer = torch.nn.ConvTranspose2d(*weight.shape[:2], 3, stride=2, bias=False)
    layer.weight.data = weight
    return layer


class Cycle(torch.nn.Module):
    """Their V-cycle with the residual restricted, and no first guess on the coarse grid."""

    def __init__(self, arrays, layer):
        super().__init__()
        levels = sum(name.startswith(f"{layer}.") and "smooth" in name for name in arrays)
        of = lambda kind, last: [arrays[f"{layer}.{j}.{kind}"] for j in range(levels - last)]  # noqa: E731
        self.smooth = torch.nn.ModuleList(MgIte_init(_convolution(w)) for w in of("smooth", 0))
        self.operator = torch.nn.ModuleList(_convolution(w) for w in of("operator", 1))
        self.restrict = torch.nn.ModuleList(_convolution(w, 2) for w in of("restrict", 1))
        self.prolong = torch.nn.ModuleList(_prolongation(w) for w in of("prolong", 1))

    def forward(self, f):
        found = []
        for smooth, operator, restrict in zip(
            self.smooth, self.operator, self.restrict, strict=False
        ):
            u, f = smooth(f)
            found.append(u)
            f = restrict(torch.nn.functional.pad(f - operator(u), (0, 1, 0, 1)))
        u, _ = self.smooth[-1](f)
        for fine, prolong in zip(found[::-1], list(self.prolong)[::-1], strict=True):
            u = fine + prolong(u)[..., : fine.shape[-2], : fine.shape[-1]]
        return u


class Network(torch.nn.Module):
    def __init__(self, arrays):
        super().__init__()
        layers = range(sum(name.endswith("skip.bias") for name in arrays))
        self.cycles = torch.nn.ModuleList(Cycle(arrays, i) for i in layers)
        self.skips = torch.nn.ModuleList(pointwise(arrays, f"{i}.skip", 2) for i in layers)
        self.project = pointwise(arrays, "project", 2)

    def forward(self, v):
        for cycle, skip in zip(self.cycles, self.skips, strict=True):
            v = torch.nn.functional.gelu(cycle(v) + skip(v))
        return self.project(v)


def build(case, arrays):
    """`forward` or `train <steps>`."""
    a, target = fields(arrays["a"]), fields(arrays["target"])

    def output(network):
        with torch.no_grad():
            return network(a).movedim(1, -1).cpu().numpy()

    if case == "forward":
        return partial(output, Network(arrays).to(DEVICE))
    steps = int(case.split()[1])

    def train():
        network = Network(arrays).to(DEVICE)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            ((network(a) - target) ** 2).mean().backward()
            optimizer.step()
        return output(network)

    return train


if __name__ == "__main__":
    serve(build)
