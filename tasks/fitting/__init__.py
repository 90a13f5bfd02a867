"""Spectral models and fits of OGIP spectra."""
