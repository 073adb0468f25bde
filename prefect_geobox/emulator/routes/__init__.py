"""A file for each file of `client.operations` that has endpoints of its own."""
