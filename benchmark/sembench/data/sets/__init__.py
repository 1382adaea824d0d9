"""One data set a file. Data is read from the user's folder and checked; nothing is downloaded silently."""
