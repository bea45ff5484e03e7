"""Bridges of their own: legs of several calls that hear each other, and who listens to them."""
