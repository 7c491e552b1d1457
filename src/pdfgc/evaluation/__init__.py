"""Measurements of rendered videos: one metric a file; `protocols.py` runs them, `report.py` writes them."""
