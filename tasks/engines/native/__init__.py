"""The native engine: the HEASoft tools' results from numpy and astropy."""
