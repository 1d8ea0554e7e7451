"""E-mail addresses as keys of accounts."""

from email_validator import EmailNotValidError, validate_email

from netra_auth.errors import InvalidRequest

MAX_LENGTH = 254


def normal_email(text: str) -> str:
    """The address in the one form that is stored and compared: trimmed, NFC, lower case.

    Raises InvalidRequest where it is no address. Nothing is looked up in the DNS; local domains
    are fine, since installations inside a company use them.
    """
    try:
        found = validate_email(
            text.strip()[: MAX_LENGTH + 1],
            check_deliverability=False,
            test_environment=True,
            allow_smtputf8=True,
        )
    except EmailNotValidError as error:
        raise InvalidRequest("That is not an e-mail address.") from error
    return found.normalized.lower()
