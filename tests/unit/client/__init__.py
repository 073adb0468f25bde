"""Tests of the client, through its real transport."""
