"""HEASoft as it is installed here."""
