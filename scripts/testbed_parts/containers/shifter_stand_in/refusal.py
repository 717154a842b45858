"""What the stand-in says when it does not do what it was asked."""


class Refused(Exception):
    """The request is wrong, or names something that is not there; the text says what and why."""
