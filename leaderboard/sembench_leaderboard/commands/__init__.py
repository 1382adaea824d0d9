"""The commands that read results; the command line finds them by entry point."""
