"""The result file and its schema."""
