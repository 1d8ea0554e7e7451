"""How long a call takes by the length of its answer."""

import numpy as np

from netra_optimizer.usage.columns import Float64


def line_of(words: Float64, took_ms: Float64) -> tuple[float, float]:
    """Milliseconds a token, and before the first, by least squares with neither below zero."""
    spread = float(words.var())
    if spread <= 0:
        return 0.0, float(took_ms.mean())
    slope = float(((words - words.mean()) * (took_ms - took_ms.mean())).mean()) / spread
    start = float(took_ms.mean() - slope * words.mean())
    if slope < 0:
        return 0.0, float(took_ms.mean())
    if start < 0:
        return float((words * took_ms).sum() / np.square(words).sum()), 0.0
    return slope, start
