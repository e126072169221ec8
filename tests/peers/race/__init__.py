"""How the floor, peers and micronet are run side by side, and what is made of it."""
