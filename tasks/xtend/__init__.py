"""The instrument: data classes, channels, geometry, regions and known traps."""
