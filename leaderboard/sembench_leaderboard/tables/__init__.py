"""Tables, numbers and their escaping in Markdown, LaTeX and HTML."""
