"""The usage store over time: killed in the middle, upgraded, opened twice."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from netra_optimizer import StoreError, UsageRecord, UsageStore, read_files
from netra_optimizer.usage.database import Database
from netra_optimizer.usage.schema import MIGRATIONS, USAGE_TABLE

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)

IMPORT = """
import sys
from netra_optimizer import UsageStore, read_files
with UsageStore.open(sys.argv[1]) as store:
    tenant = store.for_tenant("t")
    def told():
        for batch in read_files(sys.argv[2], model="gpt-4o").batches():
            yield batch
            print("batch", flush=True)
    print(tenant.insert(told()).rows, flush=True)
"""


def trace(path: Path, rows: int) -> Path:
    lines = [
        {"timestamp": i // 2, "input_length": 600, "output_length": 1, "hash_ids": [1, i % 5]}
        for i in range(rows)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.process
def test_an_import_killed_in_the_middle_ends_with_each_row_once(tmp_path: Path) -> None:
    rows = 150_000
    path = trace(tmp_path / "trace.jsonl", rows)
    command = [sys.executable, "-c", IMPORT, str(tmp_path / "store"), str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(17):  # one block is stored, the second is being, the third is gathered
        assert process.stdout.readline() == "batch\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with UsageStore.open(tmp_path / "store") as store:
        tenant = store.for_tenant("t")
        kept = tenant.count()
        assert 0 < kept < rows
        inserted = tenant.insert(read_files(path, model="gpt-4o").batches())
        assert (inserted.rows, inserted.repeated) == (rows - kept, kept)
        frame = tenant.frame()
        assert len(frame) == len(set(frame.id.to_list())) == rows


def test_a_store_is_brought_to_a_newer_schema_with_its_records(tmp_path: Path) -> None:
    with UsageStore.open(tmp_path / "s") as store:
        store.for_tenant("t").insert([[UsageRecord(id="a", start=T0, model="m")]])
    newer = (*MIGRATIONS, (f"ALTER TABLE {USAGE_TABLE} ADD COLUMN IF NOT EXISTS colour String",))
    database = Database.open(tmp_path / "s", migrations=newer)
    assert database.rows(f"SELECT id, colour FROM {USAGE_TABLE}") == [("a", "")]
    assert database.migrate() == len(newer)
    database.close()
    with pytest.raises(StoreError, match="OPT-303"):
        UsageStore.open(tmp_path / "s")


@pytest.mark.process
def test_a_folder_owned_by_another_process_is_refused_clearly(tmp_path: Path) -> None:
    hold = (
        "import sys; from netra_optimizer import UsageStore; s = UsageStore.open(sys.argv[1]); "
        "print('open', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / "s")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "open\n"
    with pytest.raises(StoreError, match="OPT-301") as raised:
        UsageStore.open(tmp_path / "s")
    assert "running server" in raised.value.hint
    process.stdin.close()
    process.wait(20)
    process.stdout.close()
    with UsageStore.open(tmp_path / "s") as store:
        assert store.for_tenant("t").count() == 0
