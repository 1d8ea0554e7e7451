"""How a database is reached: pools, limits and durability, handed in by whoever builds it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """Limits of one database; times in seconds.

    `durability` is SQLite's: `power_loss` syncs the write-ahead log at each group commit (about
    0.25 ms on an SSD, shared by the whole group), `process_crash` leaves that to the operating
    system: kill -9 loses nothing, a power cut may lose the last moments.
    """

    schema: str = "platform"
    application_name: str = "apex"
    pool_size: int = 5
    pool_overflow: int = 5
    pool_timeout_s: float = 5.0
    connect_timeout_s: float = 5.0
    busy_timeout_s: float = 5.0
    statement_timeout_s: float = 30.0
    lock_timeout_s: float = 5.0
    idle_check_s: float = 1.0
    max_session_s: float = 60.0
    reader_threads: int = 2
    durability: Literal["power_loss", "process_crash"] = "power_loss"
