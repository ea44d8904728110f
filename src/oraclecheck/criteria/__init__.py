"""Criteria: how a combination is scored or chosen; lower scores are better to remove."""
