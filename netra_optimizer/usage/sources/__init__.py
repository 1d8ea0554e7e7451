"""From a file to rows: unpacking, shapes of text, broken parts left out and counted."""

from netra_optimizer.usage.sources.files import Source, sources_of
from netra_optimizer.usage.sources.rows import Rows, later_rows, nested_rows, open_rows

__all__ = ["Rows", "Source", "later_rows", "nested_rows", "open_rows", "sources_of"]
