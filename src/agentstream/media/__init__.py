"""Audio plans and SDP: what Python tells the native audio path."""
