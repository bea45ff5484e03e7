"""What a call is: legs, reports, commands, events and effects."""
