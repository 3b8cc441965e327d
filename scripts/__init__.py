"""Scripts for those who work on Penstock itself."""
