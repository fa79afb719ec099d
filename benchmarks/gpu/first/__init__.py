"""The first minutes on a GPU: what is there, what works, what is slow. README.md says how to use it."""
