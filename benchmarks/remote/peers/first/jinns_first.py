"""jinns 1.10 in a new process: one step of its natural gradient for Poisson's equation."""

import json

import jax
import jax.numpy as jnp

from benchmarks.remote.peers.jinns_pinn import PROBLEMS, train

u, history = train(PROBLEMS["poisson2d"](), 600, "natural", 1)
params = jax.tree.map(lambda leaf: leaf[0], history)
x = jax.random.uniform(jax.random.key(1), (400, 2))
exact = jnp.prod(jnp.sin(jnp.pi * x), axis=1)
found = jax.vmap(lambda z: jnp.squeeze(u(z, params)))(x)
print(json.dumps(float(jnp.linalg.norm(found - exact) / jnp.linalg.norm(exact))))
