"""The drawings: one file each, with what it makes of a whole figure; panels know the rest."""
