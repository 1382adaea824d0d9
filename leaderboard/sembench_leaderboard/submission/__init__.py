"""Results from elsewhere: what they must be before they stand on a board, and how far they were recomputed."""
