"""Tables of the shared state."""
