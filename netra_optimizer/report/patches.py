"""A patch as text that can be copied."""

import json
from typing import Any


def patch_text(patch: dict[str, Any], *, width: int = 1200) -> str:
    """The patch as indented JSON, cut at `width` characters; empty when there is none."""
    if not patch:
        return ""
    written = json.dumps(patch, indent=2, ensure_ascii=False)
    return written if len(written) <= width else written[:width].rsplit("\n", 1)[0] + "\n  …"
