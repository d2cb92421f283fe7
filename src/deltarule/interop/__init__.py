"""Deltarule beside other tools: what takes their files, their data and their conventions."""
