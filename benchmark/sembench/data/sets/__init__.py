"""Data sets, one function each, from a folder that holds their published files to a `Dataset`.

Each takes ``data_root``, the folder of all data sets, and ``image_size``, pixels per side after resizing. Each raises
`DataMissing` where a file is not there and `DataDamaged` where a file is not what was published.
"""
