"""Where data come from: catalogue, object store, layout, verification, simulated archive."""
