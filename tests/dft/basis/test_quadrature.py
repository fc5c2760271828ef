import pytest

from jaxsci.dft._basis import quadrature


@pytest.mark.parametrize("rows", [2, 24, 114, 500])
@pytest.mark.parametrize("points", [1, 1240, 10_124, 143_556])
def test_blocks_are_filled_and_keep_to_their_share_of_memory(monkeypatch, rows, points):
    monkeypatch.setattr(quadrature.jax, "default_backend", lambda: "cpu")
    block = quadrature._block_size(rows, points)
    blocks = -(-points // block)
    lines, rest = divmod(block, quadrature._CACHE_LINE)
    assert block == points or (rest == 0 and lines % 2 == 1)
    # Two cache lines a block at most are filled up, and are the most that memory is exceeded by.
    assert blocks * block - points <= 2 * quadrature._CACHE_LINE * blocks
    most = max(quadrature._BLOCK_BYTES["cpu"] // (8 * rows), quadrature._SMALLEST_BLOCK)
    assert block <= min(most, quadrature._LARGEST_CPU_BLOCK) + 2 * quadrature._CACHE_LINE
