"""Views of results: tables, figures, Markdown, HTML."""
