"""Runs live calls: the only crossroads of signalling, audio, streams, calls and flows."""
