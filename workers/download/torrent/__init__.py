"""Torrents: a room of its own, which the rest of the download worker enters by `fetch` alone.

`fetch.py` is the only way in; nothing here is imported before a source is a torrent.
"""
