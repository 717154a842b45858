"""The page that sends a job: a form within the site's limits."""

from bridge.dashboard.pages.submit.page import layout, register
from bridge.dashboard.pages.submit.sending import send

__all__ = ["layout", "register", "send"]
