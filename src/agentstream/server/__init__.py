"""Builds everything from the configuration, starts it and drains it."""
