"""The catalogue: which observations exist, where they point and when they may be used."""
