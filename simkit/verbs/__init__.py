"""What each command does, free of the terminal: the functions that scripts import."""
