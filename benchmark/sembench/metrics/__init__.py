"""One metric a file: a pure function on tensors, what it declares, and the meter that reads it off a model."""
