"""Frames and samples with exact times: reading and writing of videos, sound and pictures."""
