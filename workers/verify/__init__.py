"""Judges an HLS or DASH package by what is there: its playlists, its manifest, its bytes. Knows no worker and no plan."""
