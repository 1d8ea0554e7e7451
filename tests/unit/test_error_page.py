"""docs/errors.md says what the error classes say."""

from collections import defaultdict

from netra_apex.error_page import PAGE, error_classes, render


def test_the_page_is_what_the_classes_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "make it anew: python -m netra_apex.error_page"
    )


def test_a_code_belongs_to_one_error() -> None:
    # A subclass may refine an error and keep its code; two unrelated errors may not share one.
    owners = defaultdict(set)
    for kind in error_classes():
        root = next(
            base for base in reversed(kind.__mro__) if getattr(base, "code", "") == kind.code
        )
        owners[kind.code].add(root.__qualname__)
    assert {code: names for code, names in owners.items() if len(names) > 1} == {}
