"""Understanding questions: the port, and the implementation that needs no model."""

from netra_backend.reasoner.choice import Reasoners
from netra_backend.reasoner.deterministic import DeterministicReasoner
from netra_backend.reasoner.intent import Goals, Intent, LatencyWish, ModelCall, RateLimit, Topic
from netra_backend.reasoner.port import Hearing, Reasoner

__all__ = [
    "DeterministicReasoner",
    "Goals",
    "Hearing",
    "Intent",
    "LatencyWish",
    "ModelCall",
    "RateLimit",
    "Reasoner",
    "Reasoners",
    "Topic",
]
