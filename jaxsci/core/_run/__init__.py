"""Running programs: batches, devices, memory, the platform, host processes."""
