"""What one iteration costs: time, memory and threads."""
