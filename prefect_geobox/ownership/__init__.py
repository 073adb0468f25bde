"""How a flow run owns the remote tasks that it starts."""
