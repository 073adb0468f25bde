"""The work that requests start: imports, exports, edits, queries and map images."""
