"""Names for Arrow's types. pyarrow ships no type information: to the type checker they are Any."""

from typing import Any, TypeAlias

ArrowArray: TypeAlias = Any
ArrowBatch: TypeAlias = Any
ArrowSchema: TypeAlias = Any
ArrowTable: TypeAlias = Any
ArrowType: TypeAlias = Any
