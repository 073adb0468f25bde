"""HTTP: requests read and recorded, connections, errors, parameters of lists."""
