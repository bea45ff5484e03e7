"""For people who write bots: a small SDK and the bot checker."""
