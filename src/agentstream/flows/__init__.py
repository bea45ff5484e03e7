"""What happens next in a call: documents, the engine and the applets."""
