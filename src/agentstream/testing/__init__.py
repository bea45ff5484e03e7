"""Shipped doubles: a manual clock, scripts, a fake bot, a fake signalling engine."""
