"""Diagnoses out: one output format a file."""
