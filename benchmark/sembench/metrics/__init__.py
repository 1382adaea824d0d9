"""One metric a file: a pure function on tensors, what it declares, and the meter that reads it off a model.

A module is called like its metric, and so is its function: ``from sembench.metrics.ghosting import ghosting``. They
are not exported from here: ``sembench.metrics.ghosting`` would be the module or the function, depending on what was
imported first.
"""
