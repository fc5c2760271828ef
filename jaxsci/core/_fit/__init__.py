"""The training loop: what it refuses, reports, warns of and resumes from."""
