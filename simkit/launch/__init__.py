"""How engines are started, read one way for every source: files and environment, script, words, flags."""
