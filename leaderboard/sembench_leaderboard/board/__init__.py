"""The board of a suite: tables and radar charts."""
