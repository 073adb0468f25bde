"""The endpoints of operations, in files named like those of `client.operations`."""
