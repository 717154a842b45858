"""The page of one job: live while it is on its way, and what it left."""

from bridge.dashboard.pages.job.page import layout, register, show

__all__ = ["layout", "register", "show"]
