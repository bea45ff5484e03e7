"""One file per wire dialect: how messages to the bot are written and its own are read."""
