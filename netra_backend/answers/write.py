"""Which answer a question gets."""

from netra_backend.agents.findings import Evidence
from netra_backend.answers.caching import caching_report
from netra_backend.answers.change import change_report
from netra_backend.answers.forecast import forecast_report
from netra_backend.answers.models import models_report
from netra_backend.answers.needs_data import needs_data_report
from netra_backend.answers.overview import overview_report
from netra_backend.answers.savings import savings_report
from netra_backend.reasoner import Topic
from netra_backend.report import Report


def write_report(evidence: Evidence) -> Report:
    """The report; follows from the evidence alone."""
    profile, analysis = evidence.data.profile, evidence.computed.analysis
    if profile is None:
        return needs_data_report(evidence)
    topic = evidence.intent.topic
    if topic is Topic.CACHE_AUDIT and analysis is not None:
        return caching_report(evidence, analysis, profile)
    if topic is Topic.CHANGE_REVIEW:
        return change_report(evidence, profile)
    load, told = evidence.computed.load, evidence.computed.forecast
    if topic is Topic.FORECAST and load is not None and told is not None:
        return forecast_report(evidence, profile, load, told)
    if topic is Topic.MODEL_FIT:
        return models_report(evidence, profile)
    if topic in (Topic.SAVINGS, Topic.SPEED) and analysis is not None:
        return savings_report(evidence, analysis, profile)
    return overview_report(evidence, profile)
