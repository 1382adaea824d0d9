"""Canvas, pens and radar panels that the charts share."""
