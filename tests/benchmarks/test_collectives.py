"""What programs send between devices: by hand from HLO text, and of programs that are compiled."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.scaling.collectives import collectives

TEXT = """HloModule jit_f, is_scheduled=true, entry_computation_layout={()->f32[]}, num_partitions=8

%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %sum = f32[] add(%a, %b)
}

%inner (t: (s32[], f64[10])) -> (s32[], f64[10]) {
  %all-gather.1 = f64[8,10]{1,0} all-gather(%x), replica_groups=[2,4]<=[8], dimensions={0}
}

%search (t: (s32[], f64[10])) -> (s32[], f64[10]) {
  %collective-permute.2 = f32[6]{0} collective-permute(%x), source_target_pairs={{0,1},{1,0}}
}

%less (t: (s32[], f64[10])) -> pred[] {
  ROOT %all-reduce.9 = pred[] all-reduce(%p), replica_groups={}, to_apply=%add
}

%step (t: (s32[], f64[10])) -> (s32[], f64[10]) {
  %while.1 = (s32[], f64[10]{0}) while(%t), condition=%never, body=%inner, backend_config=@FIVE
  %while.2 = (s32[], f64[10]{0}) while(%t), condition=%never, body=%search
  %rs = bf16[3,4]{1,0} reduce-scatter(%x), replica_groups={{0,1},{2,3},{4,5},{6,7}}, to_apply=%add
}

%never (t: (s32[], f64[10])) -> pred[] {
  ROOT %c = pred[] constant(false)
}

%branch (x: f32[2]) -> f32[2] {
  %a2a = (c64[1,2]{1,0}, c64[1,2]{1,0}) all-to-all(%x, %y), replica_groups=mesh['i'=4,'j'=2] {'j'}
}

%other (x: f32[2]) -> f32[2] {
  %one = f32[2]{0} all-reduce(%x), replica_groups=mesh['i'=8,'j'=1] {'j'}, to_apply=%add
}

ENTRY %main.1_spmd (p: f32[2]) -> f32[] {
  %all-reduce.4 = (f64[20,3]{1,0}, f64[7]{0}, /*index=2*/f64[]) all-reduce(%a, %b), @ALL
  %while.3 = (s32[], f64[10]{0}) while(%t), condition=%less, body=%step
  %if = f32[2]{0} conditional(%p, %x, %x), branch_computations={%branch, %other}
  ROOT %done = f32[] fusion(%x), kind=kLoop, calls=%add
}
"""
TEXT = TEXT.replace("@FIVE", '{"known_trip_count":{"n":"5"}}')
TEXT = TEXT.replace("@ALL", "replica_groups=mesh['i'=4,'j'=2] {'i', 'j'}, to_apply=%add")


def test_every_kind_group_and_loop_by_hand():
    found = {(o.kind, o.bytes, o.devices, o.loops, o.times): o.sent for o in collectives(TEXT)}
    assert found == {
        ("all-reduce", 8 * 68, 8, 0, 1): 2 * 8 * 68 * 7 / 8,
        ("all-reduce", 1, 8, 1, 1): 2 * 7 / 8,
        ("all-gather", 640, 4, 1, 5): 5 * 640 * 3 / 4,
        ("collective-permute", 24, 8, 2, 1): 24,
        ("reduce-scatter", 2 * 24, 2, 1, 1): 48 / 2,
        ("all-to-all", 32, 2, 0, 1): 32 / 2,
    }


def test_asynchronous_operations_are_refused_rather_than_miscounted():
    text = TEXT.replace(" all-gather(", " all-gather-start(")
    with pytest.raises(ValueError, match="all-gather-start"):
        collectives(text)


PROGRAM = """
import json
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from benchmarks.scaling.collectives import collectives

mesh = Mesh(np.array(jax.devices()), ("d",))
x = jax.device_put(jnp.ones((8, 5), jnp.float32), NamedSharding(mesh, P("d")))

def each(f, out=P()):
    return jax.shard_map(f, mesh=mesh, in_specs=P("d"), out_specs=out, check_vma=False)

def scanned(x):
    return jax.lax.scan(lambda c, _: (jnp.sin(jax.lax.psum(c, "d")), None), x, length=3)[0]

def searched(x):
    return jax.lax.while_loop(lambda c: c.sum() < 9, lambda c: jax.lax.psum(c, "d") + 1, x)

def once(x):
    return jax.lax.psum(x, "d")

def gathered(x):
    return jax.lax.all_gather(x, "d", tiled=True)

def shifted(x):
    return jax.lax.ppermute(x, "d", [(i, (i + 1) % 4) for i in range(4)])

programs = [each(once), each(scanned), each(searched), each(gathered), each(shifted, P("d"))]
for f in programs:
    found = collectives(jax.jit(f).lower(x).compile().as_text())
    print(json.dumps([(o.kind, o.bytes, o.devices, o.loops, o.times) for o in found]))
"""


def test_compiled_programs_over_four_devices():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    env = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    share = 2 * 5 * 4  # bytes of a device's rows
    assert [json.loads(line) for line in run.stdout.splitlines()] == [
        [["all-reduce", share, 4, 0, 1]],
        [["all-reduce", share, 4, 0, 3]],
        [["all-reduce", share, 4, 1, 1]],
        [["all-gather", 4 * share, 4, 0, 1]],
        [["collective-permute", share, 4, 0, 1]],
    ]
