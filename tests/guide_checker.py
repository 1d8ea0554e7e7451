"""Checks what a machine can see of TEST_CREATION_GUIDE.md in a test file's source."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

BASE_CLASS = "BaseIntegrationTest"
JUSTIFICATION = ("Segment:", "Goal:", "Value:", "Impact:")
OUR_PACKAGES = (
    "netra_core",
    "netra_optimizer",
    "netra_client",
    "netra_auth",
    "netra_backend",
    "netra_apex",
)
MOCK_MODULES = ("unittest.mock", "mock", "pytest_mock")


@dataclass(frozen=True)
class Finding:
    """One broken rule: where, and what to do."""

    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        """Path, line and rule, as an editor can jump to."""
        return f"{self.path}:{self.line}: {self.rule}"


def check_file(path: Path, *, suite: bool) -> list[Finding]:
    """Findings of one test file; `suite` adds the rules for the integration suites' classes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [Finding(path.as_posix(), line, rule) for line, rule in _everywhere(tree)]
    if suite:
        found += [Finding(path.as_posix(), line, rule) for line, rule in _suite_classes(tree)]
    return sorted(found, key=lambda finding: finding.line)


def _everywhere(tree: ast.Module) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    helpers = _proving_helpers(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found += _call(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found += _import(node)
        elif isinstance(node, ast.Try):
            found += _swallowed_assertion(node)
        elif isinstance(node, ast.Assert) and _always_holds(node.test):
            found.append((node.lineno, "an assertion `>= 0` always holds: assert the value"))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found += _function(node, helpers)
    return found


def _call(node: ast.Call) -> list[tuple[int, str]]:
    name = ast.unparse(node.func)
    if name in {"time.sleep", "sleep"}:
        return [(node.lineno, "no sleeping in tests: wait for the condition itself")]
    if name in {"asyncio.sleep", "anyio.sleep"} and not _yields_once(node):
        return [(node.lineno, "no sleeping in tests: await the condition itself")]
    if name.endswith("monkeypatch.setattr") and node.args and _names_us(node.args[0]):
        return [(node.lineno, "nothing of ours is patched: hand the collaborator in")]
    return []


def _yields_once(node: ast.Call) -> bool:
    return bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0


def _names_us(node: ast.expr) -> bool:
    text = node.value if isinstance(node, ast.Constant) else ast.unparse(node)
    return isinstance(text, str) and text.startswith(OUR_PACKAGES)


def _import(node: ast.Import | ast.ImportFrom) -> list[tuple[int, str]]:
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        names = [f"{node.module or ''}.{name}" for name in names] + [node.module or ""]
    if any(name == mock or name.startswith(mock + ".") for name in names for mock in MOCK_MODULES):
        return [(node.lineno, "no mocks: use the real part, or a real server on loopback")]
    return []


def _swallowed_assertion(node: ast.Try) -> list[tuple[int, str]]:
    if not node.handlers:
        return []
    asserts = [
        inner for part in node.body for inner in ast.walk(part) if isinstance(inner, ast.Assert)
    ]
    return [(inner.lineno, "no try/except around an assertion") for inner in asserts]


def _always_holds(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.GtE)
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value == 0
    )


def _proving_helpers(tree: ast.Module) -> frozenset[str]:
    """Functions of the file that assert, so that a test which calls one asserts too."""
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("test_")
        and _proves(node, frozenset())
    )


def _function(
    node: ast.FunctionDef | ast.AsyncFunctionDef, helpers: frozenset[str]
) -> list[tuple[int, str]]:
    if not node.name.startswith("test_") or _proves(node, helpers):
        return []
    return [(node.lineno, f"{node.name} asserts nothing")]


def _proves(node: ast.AST, helpers: frozenset[str]) -> bool:
    return any(
        isinstance(inner, ast.Assert | ast.Raise)
        or (isinstance(inner, ast.Call) and _asserting_call(ast.unparse(inner.func), helpers))
        for inner in ast.walk(node)
    )


def _asserting_call(name: str, helpers: frozenset[str]) -> bool:
    last = name.rsplit(".", 1)[-1]
    words = ("assert", "check", "expect", "verify", "raises", "warns", "fail", "run_state_machine")
    return last in helpers or last.lstrip("_").startswith(words)


def _suite_classes(tree: ast.Module) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            found.append((node.lineno, f"{node.name} stands outside a suite class"))
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            found += _suite_class(node)
    return found


def _suite_class(node: ast.ClassDef) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    if BASE_CLASS not in {ast.unparse(base).rsplit(".", 1)[-1] for base in node.bases}:
        found.append((node.lineno, f"{node.name} does not inherit {BASE_CLASS}"))
    if "pytest.mark.integration" not in {ast.unparse(item) for item in node.decorator_list}:
        found.append((node.lineno, f"{node.name} lacks @pytest.mark.integration"))
    docstring = ast.get_docstring(node) or ""
    missing = [word for word in JUSTIFICATION if word not in docstring]
    if missing:
        found.append((node.lineno, f"{node.name} does not justify its value: {', '.join(missing)}"))
    return found
