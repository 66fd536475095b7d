"""Fixtures that several files of tests share."""

from browser import browser

__all__ = ["browser"]
