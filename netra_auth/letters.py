"""The texts of the mail that people get. Secrets stand after `#`: no server or log sees them."""

from netra_auth.mail_queue import Letter


class Letters:
    """Writes letters with links into the web app at `public_url`."""

    def __init__(self, public_url: str) -> None:
        self._base = public_url.rstrip("/")

    def link(self, page: str, token: str) -> str:
        """The address of a page with a token in its fragment."""
        return f"{self._base}/{page}#token={token}"

    def verify(self, to: str, token: str) -> Letter:
        """Prove the address."""
        return Letter(
            to,
            "Confirm your e-mail address",
            "Open this page to confirm your address for Netra Apex:\n\n"
            f"{self.link('verify', token)}\n\n"
            "If you did not ask for it, you need not do anything.\n",
        )

    def exists(self, to: str) -> Letter:
        """Somebody registered with an address that has an account."""
        return Letter(
            to,
            "You already have an account",
            "Somebody, perhaps you, tried to register with this address at Netra Apex, where it "
            f"has an account.\n\nSign in or choose a new password: {self._base}/login\n\n"
            "If it was not you, you need not do anything.\n",
        )

    def reset(self, to: str, token: str) -> Letter:
        """Choose a new password."""
        return Letter(
            to,
            "Choose a new password",
            "Open this page within an hour to choose a new password for Netra Apex:\n\n"
            f"{self.link('reset', token)}\n\n"
            "If you did not ask for it, you need not do anything.\n",
        )

    def password_changed(self, to: str) -> Letter:
        """Tell of a new password."""
        return Letter(
            to,
            "Your password was changed",
            "The password of your Netra Apex account was changed and all other sessions were "
            f"ended.\n\nIf it was not you, choose a new one at once: {self._base}/login\n",
        )

    def invitation(self, to: str, workspace: str, inviter: str, token: str) -> Letter:
        """Join a workspace."""
        return Letter(
            to,
            f"Invitation to {workspace}",
            f"{inviter} invites you to the workspace {workspace} at Netra Apex:\n\n"
            f"{self.link('invite', token)}\n",
        )
