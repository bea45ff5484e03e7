"""AgentStream: phone calls, call flows and voicebots over WebSocket, self-hosted."""

__version__ = "0.1.0"
