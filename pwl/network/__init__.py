"""A network as a value, and the functions that build it, pass through it, save it and show it."""

from pwl.network.network import Network as Network
