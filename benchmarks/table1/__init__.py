"""Table 1 of the paper, on CIFAR-10."""
