"""Markdown that streams: blocks that are closed are read and laid out once, only the open one is touched again.

``blocks`` cuts lines into blocks, ``inline`` reads emphasis and links, ``layout`` turns blocks into lines of a width.
Textual's own widget mounts a widget for each block and reads the open block anew for each fragment, so that its cost
grows with the length of a list, a table or a code block. Not for: HTML, which is shown as text, and opening links.
"""
