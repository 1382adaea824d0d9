"""One page of HTML for each suite."""
