"""Durable runs: engine, store, limits, cancel tokens, life."""
