"""The study over device counts: what it compares, what it calls wrong, how it is shown."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks.runner.case import ORDER
from benchmarks.scaling.extrapolate import DEVICES, Machine, fewest_items
from benchmarks.scaling.report import markdown, text
from benchmarks.scaling.study import Row, Study, Traffic, chosen, rounding, sizes_of, study

ENVIRONMENT = {
    "command": "python -m benchmarks --scaling",
    "processor": "a processor",
    "cores": 2,
    "load": 0.5,
    "versions": {"jax": "0.10.1"},
    "commit": "abc",
    "time": "2026-01-01T00:00:00+00:00",
}
ROW = Row(
    "ntk.gram",
    devices=8,
    items=64,
    seconds=0.5,
    flops=2e6,
    bytes=2**20,
    traffic=(Traffic("all-gather", 0, 1, 4096, 3584.0), Traffic("all-reduce", 1, 2, 10, 17.5)),
    difference=1e-16,
)


def made(*rows):
    return Study("smoke", ENVIRONMENT, list(rows))


def test_the_two_studies_meet_on_the_most_devices():
    assert [sizes_of(3, count) for count in (1, 2, 4, 8)] == [[3, 24], [6, 24], [12, 24], [24]]


def test_a_row_says_what_is_sent_in_a_step_and_in_a_turn_of_its_loops():
    line = text(made(ROW)).splitlines()[-1].split("  ")
    cells = [cell.strip() for cell in line if cell.strip()]
    assert cells == [
        "8", "64", "500 ms", "2.00M", "1.00 MiB", "1 gather", "3.50 KiB", "18 B",
        "1.0e-16 < 1.4e-14",
    ]  # fmt: skip
    assert "500 ms" not in markdown(made(ROW)) and "| 3.50 KiB |" in markdown(made(ROW))


@pytest.mark.parametrize("difference", [1e-3, float("nan")])
def test_a_difference_above_rounding_is_wrong(difference):
    wrong = dataclasses.replace(ROW, difference=difference)
    assert rounding(ROW) < 1e-3 and made(wrong).bad and not made(ROW).bad
    assert "WRONG: " in text(made(wrong)) and "WRONG" not in text(made(ROW))


def test_a_process_that_fails_is_named_and_fails_the_run():
    failed = dataclasses.replace(made(ROW), failed={4: "no memory"})
    assert failed.bad and text(failed).endswith("4 devices: no memory")


def test_json_and_back():
    found = made(ROW, dataclasses.replace(ROW, items=8, difference=None))
    assert Study.of_json(json.loads(json.dumps(found.as_json()))) == found


def test_problems_are_chosen_by_pillar_or_name():
    assert [p.name for p in chosen(["ntk", "pde.adam"])] == ["pde.adam", "ntk.gram"]
    assert {p.pillar for p in chosen([])} == set(ORDER) - {"core"}
    with pytest.raises(ValueError, match="--only dtf: neither a pillar nor a problem"):
        chosen(["dtf"])


@pytest.mark.slow
def test_the_kernel_over_device_counts_is_that_of_one():
    found = study("smoke", chosen(["ntk.gram"]), ENVIRONMENT, say=lambda _: None)
    assert not found.bad and len(found.rows) == 7
    points = {row.devices: row for row in found.rows if row.items == 64}
    assert sorted(points) == [1, 2, 4, 8] and points[1].traffic == ()
    for count in (2, 4, 8):
        (gather,) = points[count].traffic  # of 64 points of 16 numbers
        assert (gather.kind, gather.bytes) == ("all-gather", 64 * 16 * 8)
        assert gather.sent == gather.bytes * (count - 1) / count
        assert points[count].difference < np.finfo(float).eps * 64


def strong(devices, flops, sent=0.0):
    traffic = (Traffic("all-reduce", 0, 1, 0, sent),) if sent else ()
    return dataclasses.replace(ROW, devices=devices, items=64, flops=flops, traffic=traffic)


def test_the_items_that_a_device_needs_follow_from_the_counts():
    machine = Machine(flops=1e9, bandwidth=(1e9, 1e8), latency=(0.0, 0.0))
    # 10 flops an item that are shared, 600 that each device repeats: 64 items outweigh them.
    rows = [strong(n, 640 / n + 600) for n in (2, 4, 8)]
    assert [fewest_items(1, rows, n, machine) for n in DEVICES] == [64, 64, 64]
    # All pairs: with n devices there are n times as many columns, to repeat and to work on.
    assert [fewest_items(2, rows, n, machine) for n in DEVICES] == [64, 64, 64]
    # An all-reduce of 800 bytes sends 1,400 over eight devices; between machines ten times slower.
    rows = [strong(n, 640 / n, 1600 * (n - 1) / n) for n in (2, 4, 8)]
    near, far = 1400 / 10, 10 * 1600 * (63 / 64) / 10
    assert fewest_items(1, rows, 8, machine) == 2 ** np.ceil(np.log2(near))
    assert fewest_items(1, rows, 64, machine) == 2 ** np.ceil(np.log2(far))
    idle = dataclasses.replace(machine, latency=(1e9, 1e9))
    assert fewest_items(1, rows, 8, idle) is None
