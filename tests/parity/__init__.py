"""What our requests look like on the wire, beside those of the official SDK."""
