"""Images with labels: splits, files, licences."""
