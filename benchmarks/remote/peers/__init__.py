"""One program per peer, run by the peer's own interpreter: what it imports we need not have."""
