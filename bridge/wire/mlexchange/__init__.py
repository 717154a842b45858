"""What MLExchange front ends send, as job messages of our own."""

from bridge.wire.mlexchange.draft import Setting
from bridge.wire.mlexchange.translation import (
    Origin,
    PartlyTranslatedError,
    Translated,
    is_mlexchange,
    translate,
)

__all__ = [
    "Origin",
    "PartlyTranslatedError",
    "Setting",
    "Translated",
    "is_mlexchange",
    "translate",
]
