"""What chemists compute: relaxed geometries, vibrations, excited states."""
