"""Engines: how networks are trained, retrained and measured."""
