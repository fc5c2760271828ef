"""Cases, and how they are run against their references."""
