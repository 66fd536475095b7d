"""What the commands share: their flags, their printing, what lies where, experiments and checkpoints."""
