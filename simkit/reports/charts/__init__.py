"""Figures as data, and what draws them: SVG at once, PNG by matplotlib, a script in the browser."""
