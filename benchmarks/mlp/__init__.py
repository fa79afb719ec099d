"""Every algorithm for MLPs on ten data sets."""
