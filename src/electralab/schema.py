"""What the typed sections of a configuration are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]
Size = Annotated[int, Field(ge=1)] | None
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Part = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A node of the configuration: unknown keys and wrong types are refused, none is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
