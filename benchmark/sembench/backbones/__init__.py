"""Networks that are explained, and how a classifier becomes one."""
