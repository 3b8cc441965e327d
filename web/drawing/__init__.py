"""Drawings for the console: SVG from small functions.

Each function takes plain values and returns `Markup`; nothing here asks the
platform, knows Flask, or writes a style attribute (the content security policy
forbids it). Colours and strokes are classes of the one stylesheet, so every
drawing follows the theme. Text keeps its size on every screen: what stretches
is a nested viewport, never the letters.
"""
