"""The usage store behind the edge, and what the agents ask of it."""
