"""HTTP: recorded requests, connections, errors, parameters, lists, authentication, downloads."""
