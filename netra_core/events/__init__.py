"""Events: their types, their order, their log and their fan-out."""
