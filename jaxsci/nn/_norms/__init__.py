"""What keeps the size of activations through many layers."""
