"""Files written whole or not at all, and tables for the eye."""
