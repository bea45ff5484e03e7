"""Classic ExoML: documents with the root `<Response>` from a customer's server drive a call."""
