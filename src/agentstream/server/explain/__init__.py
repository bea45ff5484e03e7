"""The story of a call, told from the events that were kept of it."""
