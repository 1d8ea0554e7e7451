"""What all tables share: names of constraints, and whose rows a table holds."""

from typing import Final, Literal, TypeAlias

from sqlalchemy import MetaData

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
ROWS: Final = "apex_rows"
RowOwner: TypeAlias = Literal["user", "workspace", "state", "none"]

PLATFORM: Final = MetaData(naming_convention=NAMING)
"""The tables of the platform database, whichever room declares them."""


def rows_of(owner: RowOwner) -> dict[str, str]:
    """`info=` of a table: whom row-level security lets see a row on PostgreSQL.

    `user`: the columns `workspace_id` and `user_id` must both match; `workspace`: `workspace_id`
    must; `state`: by the scope of the entry; `none`: the table holds no one's data.
    """
    return {ROWS: owner}
