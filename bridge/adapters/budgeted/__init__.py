"""Commands that keep to a budget."""

from bridge.adapters.budgeted.runner import BudgetedRunner

__all__ = ["BudgetedRunner"]
