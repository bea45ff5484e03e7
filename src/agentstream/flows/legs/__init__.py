"""Legs that are steered from outside, action by action."""
