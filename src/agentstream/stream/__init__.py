"""The bot's wire: its messages, its dialects and the life of one stream."""
