"""Sockets, timers, DNS and every door through which we connect to the world."""
