"""Files written whole or not at all, and text tables for people to read."""
