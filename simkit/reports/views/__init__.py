"""One module for each kind of report: from a document of a verb to the page that shows it."""
