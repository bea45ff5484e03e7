"""Rows: accounts, numbers, flows, calls and streams."""
