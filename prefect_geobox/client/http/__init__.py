"""One HTTP connection: transport, authentication, retries, rate limits, uploads and downloads."""
