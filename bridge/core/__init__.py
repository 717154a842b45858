"""Pure decisions over frozen data: no I/O, no clock, only the standard library."""
