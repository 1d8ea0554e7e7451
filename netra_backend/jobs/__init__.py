"""Background jobs: imports of usage."""
