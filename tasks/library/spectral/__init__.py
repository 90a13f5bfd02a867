"""Spectral models as a recipe or a command names them: components, expressions, parameters."""
