"""Several ranks: their times beside threads, the bytes and seconds of their sums, and the times to expect at many ranks."""
