"""How numbers and orders change with other definitions."""
