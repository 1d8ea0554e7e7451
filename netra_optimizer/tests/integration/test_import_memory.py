"""An import's memory is bounded, however many rows the file has."""

import subprocess
import sys
from pathlib import Path

import pytest

ROWS, FULL_ROWS = 250_000, 3_000_000
ALLOWED_MB = 520
"""The engine's program code is 225 MB of it; blocks held twice, or freed and kept, are more."""
PROGRAM = """
import re, sys
from netra_optimizer import UsageStore, read_files
imported = read_files(sys.argv[1])
with UsageStore.open(sys.argv[2]) as store:
    inserted = store.for_tenant("one").insert(imported.batches())
    assert imported.audit.dropped == {"duplicate": 2}
    with open("/proc/self/status") as file:
        print(inserted.rows, int(re.search(r"VmHWM:\\s+(\\d+)", file.read())[1]) // 1024)
"""


@pytest.mark.process
@pytest.mark.proof
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_an_import_of_many_rows_takes_bounded_memory(tmp_path: Path, full_counts: bool) -> None:
    rows, log = FULL_ROWS if full_counts else ROWS, tmp_path / "spend.jsonl"
    with log.open("w") as file:
        for row in (*range(rows), 0, rows - 1):
            file.write(
                f'{{"request_id": "chatcmpl-{row}", "call_type": "acompletion", "spend": 0.01, '
                f'"total_tokens": {row % 9000 + 7}, "prompt_tokens": {row % 9000}, '
                '"completion_tokens": 7, "startTime": "2026-11-20T10:00:07Z", '
                '"endTime": "2026-11-20T10:00:08Z", "model": "gpt-4o", '
                f'"custom_llm_provider": "openai", "end_user": "u-{row % 400}", "metadata": {{}}}}'
                "\n"
            )
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(log), str(tmp_path / "store")],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    inserted, peak = map(int, said.split())
    assert inserted == rows
    assert peak < ALLOWED_MB
