"""A network as a value, and what is made of one: built, passed through, saved, shown."""

from pwl.network.network import Network as Network
