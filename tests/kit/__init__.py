"""What several test folders share: clocks, servers and expected requests."""
