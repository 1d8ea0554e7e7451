"""`apex demo` ends in a workspace that a visitor can use."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from netra_client import ApexClient


async def visit(url: str, email: str, password: str) -> tuple[int, int]:
    """Requests that the workspace shows, and rows that its imports kept."""
    async with ApexClient(url) as client:
        await client.login(email, password)
        usage = await client.get("/api/usage/summary")
        imports = (await client.get("/api/usage/imports"))["items"]
    return usage["requests"], sum(item["audit"]["rows_kept"] for item in imports)


@pytest.mark.process
def test_the_demo_prints_its_report_and_a_sign_in_that_works(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "netra_apex", "demo", "--port", "0", "--home", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        try:
            said = ""
            for line in demo.stdout:
                said += line
                if "or register" in line:
                    break
            saved = re.search(r"You can save \$([\d.,]+) of \$([\d.,]+)", said)
            address = re.search(r"ready on (\S+)", said)
            person = re.search(r"Sign in as (\S+) with (\S+),", said)
            assert saved is not None and address is not None and person is not None, said
            assert 0 < float(saved[1].replace(",", "")) < float(saved[2].replace(",", ""))
            requests, kept = asyncio.run(visit(address[1], person[1], person[2]))
            assert requests == kept > 0
        finally:
            demo.terminate()
