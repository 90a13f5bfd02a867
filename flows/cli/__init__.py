"""The `xtendflow` command, one module a command."""
