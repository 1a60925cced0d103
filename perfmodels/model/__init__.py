"""A transformer as counts, from its config.json: layers, parameters, number formats."""
