"""What several folders of tests share: each clock, server, payload and fixture once."""
