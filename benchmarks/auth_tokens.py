"""Access tokens: verification against bare Ed25519 in the same run, and signing.

    python benchmarks/auth_tokens.py [--rounds 5] [--count 3000] [--json]

Bare: the library's Ed25519 check of the same signed bytes, nothing else. The ratio is the median
over rounds, which take turns, so a busy machine slows both alike. Not measured: the network, and
the look at the session that the auth service's own routes add.
"""

import argparse
import base64
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from joserfc.jwk import OKPKey

from netra_auth.options import AuthOptions
from netra_auth.signing_keys import SigningKeys
from netra_auth.tokens import AccessTokens


def rate(work: Callable[[], object], count: int) -> float:
    """Calls a second."""
    started = time.perf_counter()
    for _ in range(count):
        work()
    return count / (time.perf_counter() - started)


def measure(rounds: int, count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        options = AuthOptions()
        keys = SigningKeys(Path(folder), options, time.time)
        tokens = AccessTokens(options, keys, time.time)

        def issue() -> str:
            token, _ = tokens.issue(
                user_id="usr_0123456789abcdef01234567",
                workspace_id="ws_0123456789abcdef01234567",
                role="owner",
                session_id="ses_0123456789abcdef01234567",
                jti="tok_0123456789abcdef01234567",
                auth_time=int(time.time()),
                not_after=time.time() + 10**6,
            )
            return token

        token = issue()
        _, key = keys.signer()
        assert isinstance(key, OKPKey)
        public = key.get_op_key("verify")
        signed, _, signature = token.rpartition(".")
        raw = base64.urlsafe_b64decode(signature + "==")
        message = signed.encode()
        bare, verified, issued = [], [], []
        for _ in range(rounds):
            bare.append(rate(lambda: public.verify(raw, message), count))
            verified.append(rate(lambda: tokens.verify(token), count))
            issued.append(rate(issue, count // 4))
    ratios = [ours / theirs for ours, theirs in zip(verified, bare, strict=True)]
    return {
        "bare_ed25519_per_s": statistics.median(bare),
        "verify_per_s": statistics.median(verified),
        "verify_over_bare": statistics.median(ratios),
        "issue_per_s": statistics.median(issued),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.rounds, arguments.count)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:24} {value:12,.2f}")


if __name__ == "__main__":
    main()
