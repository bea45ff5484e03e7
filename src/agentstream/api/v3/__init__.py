"""Version 3 of the API, under /v3/accounts: calls in the style of the contact centre."""
