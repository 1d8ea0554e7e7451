"""Logs and metrics: what is written, and what never is."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from netra_core.configuration import Settings
from netra_core.environment import MASK, Redactor
from netra_core.telemetry import Metrics, configure_logging, get_logger


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def telemetry(level: str = "INFO", form: str = "json") -> object:
    return Settings().telemetry.model_copy(update={"log_level": level, "log_format": form})


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_has_event_level_logger_time_and_fields(log: io.StringIO) -> None:
    configure_logging(telemetry(), stream=log)  # type: ignore[arg-type]
    get_logger("apex.test").info("started", port=8000)
    (line,) = lines(log)
    assert line.pop("timestamp")
    assert line == {"event": "started", "level": "info", "logger": "apex.test", "port": 8000}


def test_secrets_are_masked_by_name_by_form_and_by_value(log: io.StringIO) -> None:
    configure_logging(telemetry(), redactor=Redactor(["known-value-1"]), stream=log)  # type: ignore[arg-type]
    get_logger("t").warning(
        "url postgresql://u:planted@h/d",
        password="planted",
        nested={"api_key": "planted", "list": ["it is known-value-1", {"token": "planted"}]},
        port=1,
    )
    try:
        raise ValueError("known-value-1")
    except ValueError:
        get_logger("t").exception("failed")
    text = log.getvalue()
    assert "planted" not in text and "known-value-1" not in text
    assert text.count(MASK) == 7


def test_a_pool_whose_user_was_cancelled_says_nothing_and_any_other_fault_is_told(
    log: io.StringIO,
) -> None:
    configure_logging(telemetry(), stream=log)  # type: ignore[arg-type]
    pool = logging.getLogger("sqlalchemy.pool.impl.AsyncAdaptedQueuePool")
    for error in (asyncio.CancelledError(), OSError("the disk is gone")):
        pool.error("Exception during reset or similar", exc_info=error)
    (line,) = lines(log)
    assert "the disk is gone" in str(line["exception"])


def test_libraries_are_heard_from_warning_on_unless_debugging(log: io.StringIO) -> None:
    configure_logging(telemetry(), stream=log)  # type: ignore[arg-type]
    logging.getLogger("alembic.runtime").info("quiet")
    logging.getLogger("alembic.runtime").warning("loud")
    assert [line["event"] for line in lines(log)] == ["loud"]
    configure_logging(telemetry("DEBUG"), stream=log)  # type: ignore[arg-type]
    logging.getLogger("alembic.runtime").info("heard")
    assert [line["event"] for line in lines(log)] == ["loud", "heard"]
    configure_logging(telemetry(), stream=log)  # type: ignore[arg-type]


def test_metrics_are_shared_by_name_and_rendered_for_prometheus() -> None:
    metrics = Metrics()
    metrics.counter("runs", "Runs.", ["status"]).labels(status="completed").inc()
    metrics.counter("runs", "Runs.", ["status"]).labels(status="completed").inc()
    metrics.gauge("open", "Open.").set(3)
    metrics.histogram("wait_seconds", "Wait.", buckets=(1, 2)).observe(1.5)
    text, content_type = metrics.render()
    assert b'apex_runs_total{status="completed"} 2.0' in text
    assert b"apex_open 3.0" in text and b'apex_wait_seconds_bucket{le="2.0"} 1.0' in text
    assert content_type.startswith("text/plain") or "openmetrics" in content_type
    with pytest.raises(TypeError, match="'open' is a gauge already"):
        metrics.counter("open", "Open.")
