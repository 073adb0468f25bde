"""What a cancel, a crash or a time limit does to remote tasks, with real processes and signals."""
