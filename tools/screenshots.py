"""Make the pictures of the docs: the app on the sample org, in Chromium, at most 20 of at most 150 KB each.

`make screenshots` starts a demo of its own and writes docs/pictures/*.png.
"""
