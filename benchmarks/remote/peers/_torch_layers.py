"""What the peers on PyTorch share: where they run, how precisely, and a layer with our weights."""

import torch  # pyright: ignore

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.backends.cudnn.allow_tf32 = False  # convolutions in the precision of ours


def fields(a):
    """Our samples (n, *grid, channels), channels first."""
    return torch.from_numpy(a).movedim(-1, 1).contiguous().to(DEVICE)


def pointwise(arrays, name, dim):
    """An affine map at every point, channels first."""
    weight, bias = (torch.from_numpy(arrays[f"{name}.{part}"]) for part in ("weight", "bias"))
    layer = (torch.nn.Conv1d, torch.nn.Conv2d)[dim - 1](*weight.shape, 1)
    layer.weight.data = weight.T.reshape(*weight.T.shape, *[1] * dim).contiguous()
    layer.bias.data = bias
    return layer
