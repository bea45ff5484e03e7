"""The WebSockets and webhooks as an AsyncAPI 3 document: what OpenAPI has no words for."""
