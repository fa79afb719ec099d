"""The default learners beside other programs' on tables."""
