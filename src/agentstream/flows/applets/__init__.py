"""One file per applet."""
