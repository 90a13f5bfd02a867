"""Lets a child process find `doubles.py` as `tasks.doubles`, since calls name functions of `tasks` alone."""

import sys

import doubles

sys.modules["tasks.doubles"] = doubles
