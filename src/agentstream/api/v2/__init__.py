"""The newer interfaces under /v2: legs that are steered from outside."""
