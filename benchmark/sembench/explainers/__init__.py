"""The two types of a method, and how one is made of a name and settings."""
