"""The client's waits and writes against a server and a network that misbehave."""
