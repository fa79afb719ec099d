"""Seeded campaigns of damage: files, options, arrays, interrupts and kills."""
