"""The methods that sembench compares, one published method a file, each a plugin like any third party's."""
