"""The hidden units of networks: found, permuted, matched, merged and added."""
