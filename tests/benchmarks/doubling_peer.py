"""A peer for the tests of `benchmarks.remote`: it doubles its input, or fails, or prints."""

from benchmarks.remote.serve import serve


def build(case, arrays):
    print("peers may print")
    if case == "broken":
        raise ValueError("no such case")
    return lambda: 2 * arrays["x"]


if __name__ == "__main__":
    serve(build)
