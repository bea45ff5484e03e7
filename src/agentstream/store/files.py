"""The names of what the store keeps in the data folder."""

DATABASE_FILE = "agentstream.db"
SECRET_FILE = "secret.key"  # noqa: S105  (a file's name)
NODE_FILE = "node.id"
