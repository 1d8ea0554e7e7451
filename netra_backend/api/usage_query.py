"""What a request about usage may say in its query; a name that is none of these is refused."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from netra_backend.usage.choice import UsageChoice

MAX_GROUPS = 1000
Moment = Annotated[str | None, Field(description="RFC 3339; UTC without a zone.")]
Only = Annotated[
    str | None, Field(max_length=500, description="Only these calls; empty: those without one.")
]
By = Literal[
    "model",
    "provider",
    "feature",
    "user",
    "team",
    "tag",
    "operation",
    "service_tier",
    "status",
    "error_kind",
    "finish_reason",
    "conversation",
    "source",
    "month",
    "day",
    "hour",
]


class UsageQuery(BaseModel):
    """Which calls: those that fit everything given."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    start: Moment = Field(default=None, alias="from")
    end: Moment = Field(default=None, alias="to")
    model: Only = None
    provider: Only = None
    feature: Only = None
    user: Only = None
    team: Only = None
    tag: Only = None
    service_tier: Only = None
    status: Only = None

    def choice(self) -> UsageChoice:
        """As the usage service takes it."""
        names = UsageChoice.__struct_fields__
        return UsageChoice(**{name: getattr(self, name) for name in names})


class BreakdownQuery(UsageQuery):
    """By what they are split; the dearest groups first, over time in time's order."""

    by: By = "model"
    limit: Annotated[int, Field(ge=1, le=MAX_GROUPS)] = MAX_GROUPS


class ExportQuery(UsageQuery):
    """In which form they are wanted."""

    format: Literal["csv", "parquet", "focus"] = "csv"
