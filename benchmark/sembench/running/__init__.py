"""From a plan to results: data, black box, model, scores, files."""
