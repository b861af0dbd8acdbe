"""Measuring what FreeU does to features and images."""
