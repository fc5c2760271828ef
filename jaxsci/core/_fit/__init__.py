"""The training loop: its checks, reports, warnings and checkpoints."""
