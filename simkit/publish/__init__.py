"""What lies at a path as a report: which kind it is, its numbers by the verbs' own routes, the files."""
