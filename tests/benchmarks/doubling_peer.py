"""A peer for the tests of `benchmarks.remote`: it doubles its input, trains, fails, prints."""

from benchmarks.remote.serve import serve


def build(case, arrays):
    print("peers may print")
    if case == "broken":
        raise ValueError("no such case")
    if case == "rows":
        return lambda: [[0.5, 4.0, -2.0], [1.5, 1.0, 1.0]]
    return lambda: 2 * arrays["x"]


if __name__ == "__main__":
    serve(build)
