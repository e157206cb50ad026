"""What the scripts beside this folder share: the steps of the reproduction and its tables."""
