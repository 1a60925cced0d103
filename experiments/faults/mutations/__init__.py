"""Changes to valid inputs: documents, words of commands, files of every form."""
