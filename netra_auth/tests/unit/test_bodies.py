"""Bodies take what the interface names, as it is."""

import inspect

import pytest
from pydantic import ValidationError

from netra_auth.api import bodies

REQUESTS = [
    kind
    for _, kind in inspect.getmembers(bodies, inspect.isclass)
    if issubclass(kind, bodies.Body) and kind is not bodies.Body
]


@pytest.mark.parametrize("kind", REQUESTS)
def test_members_that_are_not_in_the_interface_are_refused(kind: type[bodies.Body]) -> None:
    """Otherwise a client could set what is not for it to set, such as a role or an owner."""
    for name in ("user_id", "workspace_id", "owner", "is_admin", "email_verified", "__class__"):
        with pytest.raises(ValidationError) as refused:
            kind.model_validate({name: "x"})
        assert "extra_forbidden" in {error["type"] for error in refused.value.errors()}


@pytest.mark.parametrize("value", [1, None, ["a"], {"a": 1}, True, "x" * 257, ""])
def test_a_password_is_text_of_bounded_length(value: object) -> None:
    with pytest.raises(ValidationError):
        bodies.LoginBody.model_validate({"email": "ada@example.com", "password": value})


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x00b", "x" * 201])
def test_a_name_is_one_line(name: str) -> None:
    with pytest.raises(ValidationError):
        bodies.RenameBody.model_validate({"name": name})
