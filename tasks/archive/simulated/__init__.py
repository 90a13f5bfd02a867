"""A simulated XRISM-Xtend archive: observations in the real layout, every header marked as simulated."""
