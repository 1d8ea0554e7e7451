"""The worked notebook runs from top to bottom and its assertions hold."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
NOTEBOOK = Path(__file__).parents[3] / "docs" / "notebooks" / "savings.ipynb"
RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
charts = tables = 0
for cell in notebook.cells:
    for output in cell.get("outputs", []):
        kinds = output.get("data", {})
        charts += any("vega" in kind or "vegaEmbed" in str(kinds[kind]) for kind in kinds)
        tables += "text/html" in kinds and "<table" in kinds["text/html"]
print(charts, tables)
"""


def test_the_worked_notebook_runs_and_draws(tmp_path: Path) -> None:
    for module in ("nbclient", "ipykernel", "altair"):
        pytest.importorskip(module)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN, str(NOTEBOOK)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [int(count) for count in done.stdout.split()] == [3, 3]
