"""What every section of a site's file is made of."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Fields that are named in our code, and no others."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
