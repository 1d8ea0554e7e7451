"""Runs the tests by category: a thin wrapper that turns categories into pytest's own arguments."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = [
    "netra_core",
    "netra_optimizer",
    "netra_client",
    "netra_auth",
    "netra_backend",
    "netra_apex",
]
SUITES = "netra_backend/tests/integration"

CATEGORIES = {
    "unit": (
        "tests of one room, no I/O",
        [f"{name}/tests/unit" for name in PACKAGES] + ["tests/unit"],
    ),
    "integration": ("the seven suites over the ten classes", [f"{SUITES}/test_*_integration.py"]),
    "package": ("each package on real parts", [f"{name}/tests/integration" for name in PACKAGES]),
    "e2e": ("a person in a browser", ["tests/e2e"]),
    "all": ("everything that `make test` runs", []),
}


def arguments(category: str, *, real_services: bool, coverage: bool) -> list[str]:
    """Pytest's arguments for a category; paths that do not exist yet are left out."""
    _, patterns = CATEGORIES[category]
    paths = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    args = [path.relative_to(ROOT).as_posix() for path in paths]
    if not real_services:
        args += ["-m", "not process and not browser"]
    if coverage:
        args += [f"--cov={name}" for name in PACKAGES] + ["--cov-report=term-missing:skip-covered"]
    return args


def main() -> int:
    """Parse the flags, run pytest, return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--category", choices=sorted(CATEGORIES), default="unit")
    parser.add_argument(
        "--real-services",
        action="store_true",
        help="also run the tests that start servers, kill processes or drive a browser",
    )
    parser.add_argument("--coverage", action="store_true", help="report line coverage by package")
    parser.add_argument("--list-categories", action="store_true", help="say what each one holds")
    options = parser.parse_args()
    if options.list_categories:
        for name, (meaning, _) in CATEGORIES.items():
            print(f"{name:12} {meaning}")
        return 0
    pytest_args = arguments(
        options.category, real_services=options.real_services, coverage=options.coverage
    )
    return subprocess.call([sys.executable, "-m", "pytest", *pytest_args], cwd=ROOT)


if __name__ == "__main__":
    raise SystemExit(main())
