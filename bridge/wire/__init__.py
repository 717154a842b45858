"""JSON to core and back: the public messages. Pydantic models live here and stop here."""
