"""docs/security.md is true: each item of the standard has a test that exists, or a reason."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDERS = {
    "A": "netra_auth/tests/integration/",
    "U": "netra_auth/tests/unit/",
    "W": "netra_core/tests/integration/",
    "B": "netra_backend/tests/integration/",
}
# Items of level 1 and 2, by section: how many, and those of level 3 between them.
SECTIONS: dict[str, tuple[int, set[int]]] = {
    "4.4": (4, set()),
    "6.1": (3, set()),
    "6.2": (12, {12}),
    "6.3": (8, {5, 6, 7, 8}),
    "6.4": (6, {5, 6}),
    "6.5": (8, {6, 7, 8}),
    "6.6": (4, {4}),
    "6.8": (4, set()),
    "7.1": (3, set()),
    "7.2": (4, set()),
    "7.3": (2, set()),
    "7.4": (5, set()),
    "7.5": (3, {3}),
    "7.6": (2, set()),
    "8.1": (4, {3, 4}),
    "8.2": (4, {4}),
    "8.3": (3, {2, 3}),
    "8.4": (2, {2}),
    "9.1": (3, set()),
    "9.2": (4, set()),
    "10.1": (2, set()),
    "10.2": (3, {3}),
    "10.3": (5, {5}),
    "10.4": (16, {12, 13, 14, 15, 16}),
    "10.5": (5, set()),
    "10.6": (2, set()),
    "10.7": (3, set()),
}


def rows() -> list[tuple[str, str]]:
    text = (ROOT / "docs" / "security.md").read_text()
    return re.findall(r"^\| (\d+\.\d+\.\d+) \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)


def test_every_item_of_the_chapters_is_there_once() -> None:
    required = {
        f"{section}.{number}"
        for section, (count, level_three) in SECTIONS.items()
        for number in range(1, count + 1)
        if number not in level_three
    }
    listed = [item for item, _ in rows()]
    assert len(listed) == len(set(listed))
    assert required <= set(listed)


def test_every_test_that_is_named_exists() -> None:
    named = 0
    for item, held_by in rows():
        if held_by.startswith("reason: "):
            assert len(held_by) > len("reason: ") + 10, item
            continue
        for reference in held_by.split():
            folder, _, rest = reference.partition(":")
            file, _, name = rest.partition("::")
            tree = ast.parse((ROOT / FOLDERS[folder] / file).read_text())
            names = {
                node.name
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert name in names, f"{item} names {name!r}, which is not in {file}"
            named += 1
    assert named > 80
