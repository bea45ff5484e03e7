"""People and programs ask: HTTP."""
