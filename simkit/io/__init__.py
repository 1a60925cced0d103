"""Files in and out: documents, catalogue, tables of runs."""
