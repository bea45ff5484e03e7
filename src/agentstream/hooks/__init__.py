"""Facts leave the house: metrics and call records."""
