"""The ground floor: errors, states, identifiers and settings. Imports nothing else of the project."""
