"""What is kept: recipe, product names, fingerprints, manifest, store and ledger."""
