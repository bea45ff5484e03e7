"""Version 1 of the HTTP interface, as existing clients of the hosted platform know it."""
