"""Preview pictures: an image, light curves and a spectrum, drawn for a page and for nothing else."""
