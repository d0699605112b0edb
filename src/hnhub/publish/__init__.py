"""Publishing: the local builder, the card, Croissant, and the Hub."""
